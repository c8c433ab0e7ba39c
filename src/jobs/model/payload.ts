import { hash32 } from '../../kernel/id.ts'

/**
 * What is left of a payload once its work is done for good: enough to tell the same from another when its id comes
 * again, and none of its words. It begins with what no JSON text begins with.
 */
export function spent(payload: string): string {
  const text = compact(payload)
  return `#${text.length}-${hash32(text).toString(16)}-${hash32(text, 0x9747b28c).toString(16)}`
}

/** JSON text without the white space between its parts, which means nothing. */
const compact = (text: string): string => text.replaceAll(/("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\n\r]+/g, '$1')

const isSpent = (payload: string): boolean => payload.startsWith('#')

/** Whether a job in the books was given this payload, however it is spaced. */
export const isSamePayload = (known: string, given: string): boolean =>
  isSpent(known) ? known === spent(given) : known === given || compact(known) === compact(given)
