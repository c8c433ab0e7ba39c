/** How many bytes may wait for one reader, beside the frame it was last given while it kept up. */
const budgetBytes = 1_048_576
/** A reader is asked for a sign after so many bytes. */
const probeBytes = 262_144
/** How long the sign may take to come, since a slow line is not a slow reader; and what may follow at most meanwhile. */
const patienceMs = 2000
const mostBytes = 4_194_304

/** How one reader stands. Times are in milliseconds since the epoch. */
export interface Reader {
  /** Bytes of the last frame it was given while it kept up. */
  burst: number
  /** Bytes given since the last probe, and when that was; 0 when none is unanswered. */
  given: number
  probedAt: number
  /** When a pong last came that the runtime did not take. */
  answeredAt: number
}

export const newReader = (): Reader => ({ burst: 0, given: 0, probedAt: 0, answeredAt: 0 })

/** What is asked of the line to a reader, and only when it matters. */
export interface Line {
  now(): number
  /** When the client last answered a ping. */
  answeredAt(): number
}

/** What to do with a frame: send it; send it with a ping behind it; or send the reader away to come back and recover. */
export type Pace = 'send' | 'probe' | 'slow'

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

/**
 * The same where nobody says how much waits: neither the runtime nor the network in between do, but every client answers
 * a ping as soon as it has read up to it. Only what follows a probe counts, so that the frame before it may be of any
 * size here, too. One frame and `mostBytes` is all that ever waits.
 */
export function pace(reader: Reader, bytes: number, line: Line): Pace {
  reader.given += bytes
  if (reader.probedAt > 0) {
    if (line.answeredAt() < reader.probedAt) return hasGathered(reader, line) ? 'slow' : 'send'
    reader.given = bytes
    reader.probedAt = 0
  }
  if (reader.given < probeBytes) return 'send'
  reader.given = 0
  reader.probedAt = line.now()
  return 'probe'
}

const hasGathered = ({ given, probedAt }: Reader, line: Line): boolean =>
  given > mostBytes || (given > budgetBytes && line.now() - probedAt > patienceMs)
