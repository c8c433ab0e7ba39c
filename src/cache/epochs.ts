/** A place in a log of invalidations: the number of the newest one that was known, and which log it is. */
export interface Stamp {
  readonly log: string
  readonly seq: number
}

/** The invalidations after `after`; 0 means all that are kept. */
export interface Invalidations {
  readonly log: string
  readonly after: number
  /** The newest number given. */
  readonly seq: number
  /** Of numbers up to this one, some are not kept any more. */
  readonly floor: number
  /** What was invalidated, up to `seq`: numbers follow each other without a gap. */
  readonly tags: readonly string[]
}

/** One invalidation as the log keeps it: its number, its tag, and when it was made. */
export type Kept = readonly [seq: number, tag: string, at: number]

/** Whether an answer of a log is believed, and for how long: a process uses no cached value on one that it asked for earlier. */
export const epochsFreshMs = 1000
/** The next request asks again in the background, so that ordinarily none waits for the answer. */
const epochsDueMs = 800
/** After a question that failed, the next is asked this much later. */
const retryMs = 1000

/** Numbers invalidations of tags, and keeps the newest of them. Held by one actor, which stores what `invalidate` returns. */
export class EpochLog {
  readonly id: string
  readonly #max: number
  #kept: Kept[]
  #floor: number

  constructor(
    id: string,
    { kept = [], floor = 0, max = 10_000 }: { kept?: readonly Kept[]; floor?: number; max?: number } = {},
  ) {
    this.id = id
    this.#kept = [...kept]
    this.#floor = floor
    this.#max = max
  }

  get seq(): number {
    return this.#kept.at(-1)?.[0] ?? this.#floor
  }

  get floor(): number {
    return this.#floor
  }

  /** Numbers one invalidation of each tag at `now`, and drops what is too old or too much. Returns the new ones. */
  invalidate(tags: readonly string[], now: number): readonly Kept[] {
    const before = this.seq
    const added = tags.map((tag, index): Kept => [before + 1 + index, tag, now])
    this.#kept.push(...added)
    this.#drop(now)
    return added
  }

  /** The invalidations that a reader does not know yet. */
  since(known: Stamp | undefined): Invalidations {
    const isKnown = known?.log === this.id && known.seq >= this.#floor && known.seq <= this.seq
    const after = isKnown ? known.seq : 0
    const tags = this.#kept.slice(Math.max(0, after - this.#floor)).map(([, tag]) => tag)
    return { log: this.id, after, seq: this.seq, floor: this.#floor, tags }
  }

  /** When there are too many, the oldest sixteenth goes. */
  #drop(now: number): void {
    const surplus = this.#kept.length > this.#max ? this.#kept.length - this.#max + Math.floor(this.#max / 16) : 0
    const young = this.#kept.findIndex(([, , at]) => at > now - keptMs)
    const dropped = Math.max(surplus, young < 0 ? this.#kept.length - 1 : young)
    if (dropped <= 0) return
    this.#floor = this.#kept[dropped - 1]?.[0] ?? this.#floor
    this.#kept = this.#kept.slice(dropped)
  }
}

/** How long an invalidation is kept: longer than any value with tags lives. */
export const keptMs = 3_600_000

/** What a process knows of the invalidations of tags. */
export class EpochView {
  #log = ''
  #seq = 0
  #floor = 0
  #askedAt = -Infinity
  #newest = new Map<string, number>()
  /** Changes whenever more invalidations are known. */
  version = 0

  /** Nothing is known any more. */
  clear(): void {
    this.#log = ''
    this.#seq = 0
    this.#floor = 0
    this.#askedAt = -Infinity
    this.#newest = new Map()
    this.version++
  }

  /** What a value that is loaded from now on is stamped with; undefined while nothing is known. */
  stamp(): Stamp | undefined {
    return this.#log === '' ? undefined : { log: this.#log, seq: this.#seq }
  }

  isFresh(now: number): boolean {
    // The clocks of two requests may differ by what each has waited for.
    return Math.abs(now - this.#askedAt) < epochsFreshMs
  }

  /** Whether it is time to ask again, so that what is known stays fresh. */
  isDue(now: number): boolean {
    return now - this.#askedAt >= epochsDueMs || this.#isAhead(now)
  }

  /** After a clock was set back the time of the last question says nothing. */
  forgetFuture(now: number): void {
    if (this.#isAhead(now)) this.#askedAt = -Infinity
  }

  #isAhead(now: number): boolean {
    return this.#askedAt - now >= epochsFreshMs
  }

  /** Whether a value may have been loaded before an invalidation of one of its tags that is known here. */
  isInvalidated(stamp: Stamp | undefined, tags: readonly string[]): boolean {
    if (stamp === undefined) return tags.some((tag) => this.#newest.has(tag))
    if (stamp.log !== this.#log || stamp.seq < this.#floor) return true
    return tags.some((tag) => (this.#newest.get(tag) ?? 0) > stamp.seq)
  }

  /** Takes the answer to a question asked at `askedAt`. Answers may come late or in any order. */
  note(answer: Invalidations, askedAt: number): void {
    if (answer.log !== this.#log) {
      // A late answer of a log that was replaced does not bring that log back.
      if (answer.after !== 0 || askedAt < this.#askedAt) return
      this.#log = answer.log
      this.#seq = 0
      this.#floor = 0
      this.#newest = new Map()
      this.version++
    }
    // It leaves out what this view does not know.
    if (answer.after > this.#seq) return
    if (answer.seq > this.#seq || answer.floor > this.#floor) {
      const first = answer.seq - answer.tags.length + 1
      for (const [index, tag] of answer.tags.entries())
        if (first + index > (this.#newest.get(tag) ?? 0)) this.#newest.set(tag, first + index)
      this.#seq = Math.max(this.#seq, answer.seq)
      if (answer.floor > this.#floor) this.#raise(answer.floor)
      this.version++
    }
    this.#askedAt = Math.max(this.#askedAt, askedAt)
  }

  #raise(floor: number): void {
    this.#floor = floor
    for (const [tag, seq] of this.#newest) if (seq <= floor) this.#newest.delete(tag)
  }
}

/** Asks the log for what is new since a stamp, and says which keys this process read since it asked last. */
export type AskEpochs = (since: Stamp | undefined, read: readonly string[]) => Promise<Invalidations>

/** Keys that one question names at most. */
const maxKeysRead = 1000

/** The questions of one process: at most one at a time, and none without a request. */
export class EpochReader {
  readonly view = new EpochView()
  /** Questions asked, and those that failed. */
  readonly figures = { asked: 0, failed: 0 }
  #asking: { readonly at: number; readonly answer: Promise<void> } | undefined
  #failedAt = -Infinity
  #keysRead = new Set<string>()

  /** Forgets what is known, and the question under way. */
  clear(): void {
    this.view.clear()
    this.#asking = undefined
    this.#failedAt = -Infinity
    this.#keysRead = new Set()
  }

  /** A value that is worth warming was read; the next question says so. */
  noteRead(key: string): void {
    if (this.#keysRead.size < maxKeysRead) this.#keysRead.add(key)
  }

  /**
   * Asks, or shares the question that another request has just asked. Never throws: without an answer the view is not
   * fresh. The promise may belong to a request that is cancelled: wait for it with a deadline.
   */
  ask(ask: AskEpochs, clock: () => number): Promise<void> {
    const now = clock()
    this.view.forgetFuture(now)
    if (this.#asking !== undefined && Math.abs(now - this.#asking.at) < retryMs) return this.#asking.answer
    if (now - this.#failedAt < retryMs && now >= this.#failedAt) return Promise.resolve()
    const asking = { at: now, answer: this.#ask(ask, clock, now) }
    this.#asking = asking
    const end = () => {
      if (this.#asking === asking) this.#asking = undefined
    }
    void asking.answer.then(end, end)
    return asking.answer
  }

  async #ask(ask: AskEpochs, clock: () => number, now: number): Promise<void> {
    this.figures.asked++
    const read = [...this.#keysRead]
    this.#keysRead = new Set()
    try {
      this.view.note(await ask(this.view.stamp(), read), now)
      this.#failedAt = -Infinity
    } catch {
      this.figures.failed++
      this.#failedAt = clock()
    }
  }
}
