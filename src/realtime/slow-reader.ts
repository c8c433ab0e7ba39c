/** Bytes that may wait for one reader, beside the last frame it was sent while it kept up. */
const budgetBytes = 1_048_576
/** A probe is sent after so many bytes. */
const probeBytes = 262_144
/** How long the answer to a probe may take, since a slow line is not a slow reader; and how many bytes may follow it meanwhile. */
const timeoutMs = 2000
export const maxBytes = 4_194_304

/** Pings of one probe, at most. How many it has cannot be known without reading it. */
const maxPings = 8
/** A client that reads answers the pings of a probe together: its pongs arrive within this time, in milliseconds. */
const inOneGoMs = 150
/** Wrong answers after which a client counts as one that does not read; a right answer makes up for half of one. */
const maxWrong = 8

/** The state of one reader. Times but `answeredAt` are of the {@link Line}'s clock, in milliseconds. */
export interface Reader {
  /** Bytes of the last frame sent while it kept up. */
  burst: number
  /** Bytes sent since the last probe with a right answer, and since the last probe. */
  given: number
  since: number
  /** When the oldest probe without a right answer was sent; 0 when there is none. */
  probedAt: number
  /** Pongs the open probe asks for, 0 without one; how many have arrived, and when the first did. */
  asked: number
  received: number
  receivedFrom: number
  /** Pings beside probes that are not answered yet, and pongs that a probe given up may still get. */
  expected: number
  late: number
  wrong: number
  /** When a ping was last answered, in milliseconds since the epoch, as far as the runtime did not take the pong. */
  answeredAt: number
}

export const newReader = (): Reader => ({
  burst: 0,
  given: 0,
  since: 0,
  probedAt: 0,
  asked: 0,
  received: 0,
  receivedFrom: 0,
  expected: 0,
  late: 0,
  wrong: 0,
  answeredAt: 0,
})

/** The connection to a reader, as far as pacing needs it. */
export interface Line {
  /** Milliseconds in which the server was not behind with its own work: a client is not late for the server's delays. */
  now(): number
  /** A number in [0, 1) that the client cannot know. */
  random(): number
  /** Whether every pong is counted; otherwise the runtime takes those that answer no probe. */
  readonly countsAll: boolean
}

/** What to do with a frame: send it with so many pings behind it, or close the connection so that the client recovers. */
export type Pace = number | 'slow'

/**
 * Whether a reader with `waiting` bytes unread is too slow for `bytes` more. A single frame may be larger than the budget
 * (everything a client missed) and is always sent to a reader that kept up until then: it counts only from the next frame
 * on, when a budget's worth has gathered behind it. At most two budgets and one frame wait.
 */
export function isTooSlow(reader: Reader, waiting: number, bytes: number): boolean {
  if (waiting <= budgetBytes) {
    reader.burst = bytes
    return false
  }
  return waiting + bytes - reader.burst > budgetBytes
}

/**
 * The same where the platform does not report how much waits. Every client answers a ping as soon as it has read up to it.
 * A pong has no number, so a client that does not read could send pongs unasked: therefore a probe is between one and
 * {@link maxPings} pings, chosen at random, and only as many pongs together are its answer ({@link pongs}). A client that
 * guesses is detected within a few probes. Only bytes after the last answered probe count, so that the frame before it may
 * be of any size here, too: at most one frame and `maxBytes` wait.
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
  reader.asked = pings + (line.countsAll ? reader.expected : 0)
  reader.received = 0
  reader.expected = 0
  reader.since = 0
  if (reader.probedAt === 0) reader.given = 0
  if (reader.probedAt === 0) reader.probedAt = line.now()
  return pings
}

/**
 * `count` pongs arrived, at `now` of the line's clock and `receivedAt` milliseconds since the epoch; false when the client has
 * answered wrongly too often to be one that reads.
 */
export function pongs(reader: Reader, count: number, now: number, receivedAt: number): boolean {
  giveUp(reader, now)
  if (reader.asked + reader.expected + reader.late > 0) reader.answeredAt = receivedAt
  let unasked = count
  if (reader.asked > 0) {
    if (reader.received === 0) reader.receivedFrom = now
    reader.received += count
    unasked = Math.max(0, reader.received - reader.asked)
    if (reader.received >= reader.asked) credit(reader)
  }
  const expected = Math.min(unasked, reader.expected)
  reader.expected -= expected
  const late = Math.min(unasked - expected, reader.late)
  reader.late -= late
  reader.wrong += unasked - expected - late
  return reader.wrong <= maxWrong
}

/** Everything sent before the open probe has been read. */
function credit(reader: Reader): void {
  reader.asked = 0
  reader.probedAt = 0
  reader.given = reader.since
  reader.late = 0
  reader.wrong = Math.max(0, reader.wrong - 0.5)
}

/** Gives up a probe whose answer arrived in part, since the rest did not arrive with it. */
function giveUp(reader: Reader, now: number): void {
  if (reader.asked === 0 || reader.received === 0 || now - reader.receivedFrom <= inOneGoMs) return
  reader.wrong++
  reader.late += reader.asked - reader.received
  reader.asked = 0
}

/**
 * The same for a client that asked for no pings: nothing it sends shows that it reads. After one frame and `maxBytes` its
 * connection is closed, and it recovers.
 */
export function paceUnanswered(reader: Reader, bytes: number): Pace {
  if (reader.given > maxBytes) return 'slow'
  reader.given += bytes
  return 0
}

const hasGathered = ({ given, probedAt }: Reader, line: Line): boolean =>
  given > maxBytes || (given > budgetBytes && line.now() - probedAt > timeoutMs)
