import { hash32 } from '../../kernel/id.ts'

/**
 * What is kept of a payload once its job is done or cancelled: enough to tell the same payload from another when the id is
 * used again, and none of its content. It begins with a character that no JSON text begins with.
 */
export function fingerprint(payload: string): string {
  const text = compact(payload)
  return `#${text.length}-${hash32(text).toString(16)}-${hash32(text, 0x9747b28c).toString(16)}`
}

/** JSON text without the white space between its parts. */
const compact = (text: string): string => text.replaceAll(/("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\n\r]+/g, '$1')

const isFingerprint = (payload: string): boolean => payload.startsWith('#')

/** Whether a job was given this payload; white space between the parts makes no difference. */
export const isSamePayload = (known: string, given: string): boolean =>
  isFingerprint(known) ? known === fingerprint(given) : known === given || compact(known) === compact(given)
