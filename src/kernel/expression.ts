import { compile, search } from '@jmespath-community/jmespath'

/** Characters of an expression, at most. */
export const expressionLength = 2000

/**
 * Why a text is no JMESPath expression (jmespath.org), or undefined. JMESPath has no loops and no access to anything but its
 * document, so that the work of an expression is bounded by its length and the size of the document.
 */
export function badExpression(text: string): string | undefined {
  if (text.length > expressionLength) return `at most ${expressionLength} characters`
  try {
    compile(text)
    return undefined
  } catch (thrown) {
    return `not a JMESPath expression: ${thrown instanceof Error ? thrown.message : String(thrown)}`
  }
}

/** The value of an expression on a document; null where it names nothing. Throws on a wrong type or function. */
export const evaluate = (text: string, document: unknown): unknown => search(toJson(document), text) ?? null

type Json = Parameters<typeof search>[0]

/** What JSON cannot say is left out, as in the text that an endpoint receives. */
const toJson = (document: unknown): Json => JSON.parse(JSON.stringify(document ?? null))

/** Whether a JMESPath condition holds: false, null, and empty strings, lists and objects do not (JMESPath, "Or Expressions"). */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  if (typeof value !== 'object') return true
  return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0
}
