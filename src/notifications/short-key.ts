import { sha256 } from '../kernel/id.ts'

/** Characters of an idempotency key that all providers take. */
export const maxKeyLength = 256

/** An id as a key of a bounded length: a longer id is hashed, since two that differ at their end only are not the same. */
export const keyUpTo = async (id: string, length = maxKeyLength): Promise<string> =>
  id.length <= length ? id : (await sha256(id)).slice(0, length)
