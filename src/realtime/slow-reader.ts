/** How many bytes may wait for one reader, beside the frame it was last given while it kept up. */
const budgetBytes = 1_048_576
/** A reader is asked for a sign after so many bytes. */
const probeBytes = 262_144
/** How long the sign may take to come, since a slow line is not a slow reader; and what may follow at most meanwhile. */
const timeoutMs = 2000
export const maxBytes = 4_194_304

/** Pings of one probe, at most: how many it has cannot be known without reading it. */
const maxPings = 8
/** A client that reads answers the pings of a probe in one go: its pongs come within this time, in milliseconds. */
const inOneGoMs = 150
/** Wrong answers after which a client is taken for one that does not read; a right one makes up for half of one. */
const maxWrong = 8

/** How one reader stands. Times are in milliseconds since the epoch. */
export interface Reader {
  /** Bytes of the last frame it was given while it kept up. */
  burst: number
  /** Bytes given since the last probe that was answered rightly, and since the last one. */
  given: number
  since: number
  /** When the oldest probe without a right answer was sent; 0 when there is none. */
  probedAt: number
  /** Pongs the open probe asks for, 0 without one; how many have come, and when the first did. */
  asked: number
  heard: number
  heardFrom: number
  /** Pings beside probes that are not answered yet, and pongs that a probe given up may still get. */
  owed: number
  late: number
  wrong: number
  /** When a ping was last answered, as far as the runtime did not take the pong. */
  answeredAt: number
}

export const newReader = (): Reader => ({
  burst: 0,
  given: 0,
  since: 0,
  probedAt: 0,
  asked: 0,
  heard: 0,
  heardFrom: 0,
  owed: 0,
  late: 0,
  wrong: 0,
  answeredAt: 0,
})

/** What is asked of the line to a reader, and only when it matters. */
export interface Line {
  now(): number
  /** A number in [0, 1) that the client cannot know. */
  random(): number
  /** Whether every pong is counted; otherwise the runtime takes those that answer no probe. */
  readonly countsAll: boolean
}

/** What to do with a frame: send it with so many pings behind it, or send the reader away to come back and recover. */
export type Pace = number | 'slow'

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
 * The same where the platform does not say how much waits. Every client answers a ping as soon as it has read up to it. A
 * pong has no number, so a client that does not read could send pongs unasked: therefore a probe is between one and
 * {@link maxPings} pings, chosen at random, and only as many pongs in one go are its answer ({@link pongs}). A client that guesses
 * is found out within a few probes. Only what follows the last probe that was answered counts, so that the frame before it
 * may be of any size here, too: one frame and `mostBytes` is all that ever waits.
 */
export function pace(reader: Reader, bytes: number, line: Line): Pace {
  reader.given += bytes
  reader.since += bytes
  if (reader.probedAt > 0) {
    giveUp(reader, line.now())
    if (reader.wrong > maxWrong || hasGathered(reader, line)) return 'slow'
  }
  if (reader.asked > 0 || reader.since < probeBytes) return 0
  const pings = 1 + Math.floor(line.random() * maxPings)
  reader.asked = pings + (line.countsAll ? reader.owed : 0)
  reader.heard = 0
  reader.owed = 0
  reader.since = 0
  if (reader.probedAt === 0) reader.given = 0
  if (reader.probedAt === 0) reader.probedAt = line.now()
  return pings
}

/** So many pongs have come; false when the client has answered wrongly too often to be one that reads. */
export function pongs(reader: Reader, count: number, now: number): boolean {
  giveUp(reader, now)
  if (reader.asked + reader.owed + reader.late > 0) reader.answeredAt = now
  let unasked = count
  if (reader.asked > 0) {
    if (reader.heard === 0) reader.heardFrom = now
    reader.heard += count
    unasked = Math.max(0, reader.heard - reader.asked)
    if (reader.heard >= reader.asked) credit(reader)
  }
  const owed = Math.min(unasked, reader.owed)
  reader.owed -= owed
  const late = Math.min(unasked - owed, reader.late)
  reader.late -= late
  reader.wrong += unasked - owed - late
  return reader.wrong <= maxWrong
}

/** What was given before the open probe has been read. */
function credit(reader: Reader): void {
  reader.asked = 0
  reader.probedAt = 0
  reader.given = reader.since
  reader.late = 0
  reader.wrong = Math.max(0, reader.wrong - 0.5)
}

/** A probe whose answer came in part is given up, since the rest did not come in one go. */
function giveUp(reader: Reader, now: number): void {
  if (reader.asked === 0 || reader.heard === 0 || now - reader.heardFrom <= inOneGoMs) return
  reader.wrong++
  reader.late += reader.asked - reader.heard
  reader.asked = 0
}

/**
 * The same for a client that asked for no pings: nothing it sends shows that it reads. It is given a frame and `mostBytes`, and
 * then comes back to recover.
 */
export function paceUnanswered(reader: Reader, bytes: number): Pace {
  if (reader.given > maxBytes) return 'slow'
  reader.given += bytes
  return 0
}

const hasGathered = ({ given, probedAt }: Reader, line: Line): boolean =>
  given > maxBytes || (given > budgetBytes && line.now() - probedAt > timeoutMs)
