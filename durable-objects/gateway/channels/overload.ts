import { spreadMs } from '../../../src/kernel/retry.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { EphemeralEvent, StreamVerb } from '../../../src/protocol/stream.ts'
import { admit, LoadGauge, type Load, type Priority } from '../../../src/limits/shedding.ts'

/** What one lane may hold. SDKs wait five seconds for a subscription, so from four on it would be answered in vain. */
const maxInLane: Load = { waiting: 4096, ageMs: 8000 }
/** What all lanes of a gateway may hold, and how slow their calls may be on the average. */
const maxInAll: Load = { waiting: 32_768, ageMs: 8000 }
/** With less than this in a lane nobody looks at the clock for a message. */
const fewInLane = 16

const priorityOfVerb: Readonly<Record<StreamVerb['kind'], Priority | undefined>> = {
  typing: 'typing',
  read: 'signal',
  subscribe: 'read',
  send: 'message',
  publish: 'message',
  edit: 'message',
  delete: 'message',
  // Whoever leaves frees something.
  leave: undefined,
}

/** What a command would join: how many wait there, and since when the call before them is under way (0: there is none). */
export interface Queue {
  readonly waiting: number
  readonly calledAt: number
}

/** Keeps a gateway answering when it has more to do than it can: says what is dropped, by the queues it sees. */
export class Overload {
  readonly #gauge = new LoadGauge()
  readonly #clock: () => number

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Why a command may not join its queue; undefined when it may. A message that meets no queue costs a comparison. */
  refusal(verb: StreamVerb, queue: Queue): Refusal | undefined {
    const priority = priorityOfVerb[verb.kind]
    if (priority === undefined) return undefined
    if (priority === 'message' && queue.waiting < fewInLane && this.#gauge.waiting < maxInAll.waiting) return undefined
    const now = this.#clock()
    const ageMs = queue.calledAt === 0 ? 0 : now - queue.calledAt
    const here = admit(priority, { waiting: queue.waiting, ageMs }, maxInLane)
    const verdict = here.kind === 'shed' ? here : admit(priority, this.#gauge.load(now), maxInAll)
    if (verdict.kind === 'admitted') return undefined
    this.#gauge.dropped(priority)
    const waitMs = spreadMs(verdict.retryAfterMs, Math.random())
    return refuse('tooManyRequests', `overloaded: wait ${waitMs} ms`, waitMs)
  }

  /** News without what passes, as far as there is no room for it. What ends somebody's listening always stays. */
  thin(signals: readonly EphemeralEvent[]): readonly EphemeralEvent[] {
    if (signals.length === 0) return signals
    const load = this.#gauge.load(this.#clock())
    if (admit('typing', load, maxInAll).kind === 'admitted') return signals
    return signals.filter((signal) => {
      const priority = priorityOfSignal(signal)
      const stays = priority === undefined || admit(priority, load, maxInAll).kind === 'admitted'
      if (priority !== undefined && !stays) this.#gauge.dropped(priority)
      return stays
    })
  }

  /** Measures one call with `units` commands. */
  async during(units: number, call: Promise<void>): Promise<void> {
    const begun = this.#clock()
    this.#gauge.begin(units)
    try {
      await call
    } finally {
      const now = this.#clock()
      this.#gauge.end(units, now - begun, now)
    }
  }

  get figures(): Readonly<Record<Priority, number>> {
    return this.#gauge.figures
  }
}

/** What may be dropped of news, and when; undefined for what must be heard, as the end of a job. */
export function priorityOfSignal(signal: EphemeralEvent): Priority | undefined {
  if (signal.kind === 'join' || signal.kind === 'leave') return 'presence'
  if (signal.kind !== 'pub') return undefined
  if (signal.data.startsWith('{"type":"typing"')) return 'typing'
  return signal.data.startsWith('{"type":"read"') ? 'signal' : undefined
}
