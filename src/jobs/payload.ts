import { hash32 } from '../kernel/id.ts'

/**
 * What is left of a payload once its work is done for good: enough to tell the same from another when its id comes
 * again, and none of its words. It begins with what no JSON text begins with.
 */
export const spent = (payload: string): string =>
  `#${payload.length}-${hash32(payload).toString(16)}-${hash32(payload, 0x9747b28c).toString(16)}`

const isSpent = (payload: string): boolean => payload.startsWith('#')

/** Whether a job in the books was given this payload. */
export const isSamePayload = (known: string, given: string): boolean =>
  known === (isSpent(known) ? spent(given) : given)
