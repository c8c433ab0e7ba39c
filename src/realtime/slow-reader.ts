/** Bytes that may wait for one reader before it is sent away to come back and recover. */
const budgetBytes = 1_048_576

/** One reader's standing: the size of what was last given to it while it kept up. */
export interface Reader {
  burst: number
}

/**
 * Whether a reader with `waiting` bytes unread is too slow to be given `bytes` more. A single frame may be larger than
 * the budget (all that somebody missed) and is always given to who kept up until then: it counts only from the next one
 * on, when a budget's worth has gathered behind it. What waits is therefore at most two budgets and one frame.
 */
export function isTooSlow(reader: Reader, waiting: number, bytes: number): boolean {
  if (waiting <= budgetBytes) {
    reader.burst = bytes
    return false
  }
  return waiting + bytes - reader.burst > budgetBytes
}
