import { z } from 'zod'

/*
 * The words of validation errors: the rule that a value breaks, what to give, and what was given. A schema may have words of its
 * own where its rule has a reason; these are the words of all other rules, whatever schema they belong to. `explain` puts the
 * field before them.
 */

/** Longest value that is repeated in an error. */
const maxShown = 40

const kinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

const formats: Readonly<Record<string, string>> = {
  email: 'an email address',
  url: 'a URL',
  uuid: 'a UUID',
  datetime: 'a time such as 2026-12-01T10:00:00Z',
  date: 'a date such as 2026-12-01',
  base64: 'base64',
  base64url: 'base64url',
}

type Issue = z.core.$ZodRawIssue

/** What is wrong with the value, without its field. */
function wordsOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return mustBe(issue.input, kindOf(issue.expected))
    case 'invalid_value':
      return mustBe(issue.input, oneOf(issue.values))
    case 'invalid_union':
      return wordsOfUnion(issue)
    case 'unrecognized_keys':
      return unknownFields(issue)
    case 'too_big':
      return `${bound(issue, 'at most', 'less than')} ${countOf(issue.maximum, issue.origin)}${gotSize(issue.input)}`
    case 'too_small':
      return `${bound(issue, 'at least', 'more than')} ${countOf(issue.minimum, issue.origin)}${gotSize(issue.input)}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}${got(issue.input)}`
    case 'invalid_format':
      return wordsOfFormat(issue)
    case 'invalid_key':
    case 'invalid_element':
      return `each ${issue.code === 'invalid_key' ? 'name' : 'item'} ${issue.issues[0]?.message ?? 'must be valid'}`
    case 'custom':
    default:
      return 'must be a value that the API reference allows'
  }
}

const kindOf = (expected: string): string => kinds[expected] ?? `a value of type ${expected}`

/** A value that is missing needs no other rule than that it is required. */
const mustBe = (input: unknown, wanted: string): string =>
  input === undefined ? `is required, and must be ${wanted}` : `must be ${wanted}${got(input)}`

function oneOf(values: readonly z.core.util.Primitive[]): string {
  const shown = values.map((value) => (typeof value === 'string' ? `"${value}"` : String(value)))
  return shown.length === 1 ? shown.join() : `one of ${shown.join(', ')}`
}

const bound = (
  { exact, inclusive }: { exact?: boolean; inclusive?: boolean },
  upTo: string,
  beyond: string,
): string => {
  if (exact === true) return 'exactly'
  return inclusive === false ? beyond : upTo
}

function countOf(count: number | bigint, origin: string): string {
  const number = count.toLocaleString('en-US')
  if (origin === 'string') return `${number} character${count === 1 ? '' : 's'}`
  if (origin === 'array' || origin === 'set') return `${number} item${count === 1 ? '' : 's'}`
  return number
}

/** What was given, in few words: a short value itself, of others the kind. */
function got(input: unknown): string {
  if (Array.isArray(input)) return ', got a list'
  if (input === null || typeof input === 'boolean') return `, got ${String(input)}`
  if (typeof input === 'number') return Number.isNaN(input) ? '' : `, got ${input}`
  if (typeof input === 'string') return input.length > maxShown ? ', got a string' : `, got ${JSON.stringify(input)}`
  return typeof input === 'object' ? ', got an object' : ''
}

function gotSize(input: unknown): string {
  if (typeof input === 'string' || Array.isArray(input)) return `, got ${input.length.toLocaleString('en-US')}`
  return typeof input === 'number' ? `, got ${input.toLocaleString('en-US')}` : ''
}

function unknownFields({ keys, inst }: Extract<Issue, { code: 'unrecognized_keys' }>): string {
  const known = inst instanceof z.ZodObject ? Object.keys(inst.shape) : []
  const fields = keys.map((key) => JSON.stringify(key.slice(0, maxShown))).join(', ')
  return `unknown field${keys.length === 1 ? '' : 's'} ${fields}${known.length === 0 ? '' : `; the fields are ${known.join(', ')}`}`
}

/** Of several forms: what is wrong with the one that was meant, or all of them where none was. */
function wordsOfUnion(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  if ('options' in issue && Array.isArray(issue.options))
    return mustBe(valueAt(issue.input, issue.discriminator ?? ''), oneOf(issue.options))
  const first = issue.errors.flatMap((errors) => errors.slice(0, 1))
  const meant = first.find(({ path }) => path.length > 0)
  if (meant !== undefined) return `${meant.path.join('.')} ${meant.message}`
  const kindsOnly = first.flatMap((each) => {
    if (each.code === 'invalid_type') return [kindOf(each.expected)]
    return each.code === 'invalid_value' ? [oneOf(each.values)] : []
  })
  if (kindsOnly.length === first.length) return mustBe(issue.input, [...new Set(kindsOnly)].join(' or '))
  return first.find(({ code }) => code !== 'invalid_type' && code !== 'invalid_value')?.message ?? 'must be valid'
}

const valueAt = (input: unknown, name: string): unknown =>
  typeof input === 'object' && input !== null ? Object.entries(input).find(([key]) => key === name)?.[1] : undefined

function wordsOfFormat(issue: Extract<Issue, { code: 'invalid_format' }>): string {
  if (issue.format === 'starts_with' && 'prefix' in issue)
    return `must begin with "${String(issue.prefix)}"${got(issue.input)}`
  if (issue.format === 'ends_with' && 'suffix' in issue)
    return `must end with "${String(issue.suffix)}"${got(issue.input)}`
  if (issue.format === 'regex')
    return `must match ${issue.pattern ?? 'the pattern of the API reference'}${got(issue.input)}`
  return `must be ${formats[issue.format] ?? issue.format}${got(issue.input)}`
}

z.config({ customError: wordsOf })

/** The first broken rule as "field: rule". */
export function explain(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'must be valid'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
