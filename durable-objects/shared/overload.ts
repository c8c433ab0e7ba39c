import type { RateLimitClass } from '../../src/conversations/command.ts'
import { commandNamed } from '../../src/conversations/commands/table.ts'
import { spreadMs } from '../../src/kernel/retry.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { EphemeralEvent, StreamVerb } from '../../src/protocol/stream.ts'
import { admit, LoadGauge, type Load, type Priority } from '../../src/limits/shedding.ts'

/** What may wait for one channel. SDKs wait five seconds for a subscription: from four on the answer would come too late. */
const maxPerChannel: Load = { waiting: 4096, ageMs: 8000 }
/** What may wait for all channels of a gateway, and how slow their calls may be on average. */
const maxInAll: Load = { waiting: 32_768, ageMs: 8000 }
/** With fewer commands waiting for its channel a message is admitted without reading the clock. */
const fewPerChannel = 16
/** Calls under way from which on further calls wait a moment to gather more commands. Below it no command waits. */
const gatherFrom = 4

const priorityOfVerb: Readonly<Record<Exclude<StreamVerb['kind'], 'command'>, Priority | undefined>> = {
  subscribe: 'read',
  send: 'message',
  publish: 'message',
  // Leaving frees resources.
  leave: undefined,
  infos: undefined,
}

const priorityOfLimit: Readonly<Record<RateLimitClass, Priority>> = {
  message: 'message',
  command: 'signal',
  typing: 'typing',
}

const priorityOf = (verb: StreamVerb): Priority | undefined =>
  verb.kind === 'command' ? priorityOfLimit[commandNamed(verb.name)?.limit ?? 'command'] : priorityOfVerb[verb.kind]

/** The queue a command would join: how many wait in it, and when the call under way began (0: none is). */
export interface Queue {
  readonly waiting: number
  readonly calledAt: number
}

/**
 * Counts the calls of one gateway to its channels. The count decides two things: which commands are refused when there is
 * more to do than the gateway can, and when calls wait to gather commands. The runtime delivers one message of a socket at
 * a time, so a call that leaves at once rarely carries two; while many calls are under way a short wait costs no latency,
 * and the commands that arrive during it leave as one call.
 */
export class Overload {
  readonly #gauge = new LoadGauge()
  readonly #clock: () => number
  readonly #nextRound: () => Promise<void>
  #calls = 0
  #round: Promise<void> | undefined

  /** `nextRound` resolves once everything that has already arrived was delivered. */
  constructor(clock: () => number, nextRound: () => Promise<void> = () => Promise.resolve()) {
    this.#clock = clock
    this.#nextRound = nextRound
  }

  /** Why a command may not join its queue; undefined when it may. A message to a short queue costs one comparison. */
  refusal(verb: StreamVerb, queue: Queue): Refusal | undefined {
    const priority = priorityOf(verb)
    if (priority === undefined) return undefined
    if (priority === 'message' && queue.waiting < fewPerChannel && this.#gauge.waiting < maxInAll.waiting)
      return undefined
    const now = this.#clock()
    const ageMs = queue.calledAt === 0 ? 0 : now - queue.calledAt
    const ofChannel = admit(priority, { waiting: queue.waiting, ageMs }, maxPerChannel)
    const verdict = ofChannel.kind === 'limited' ? ofChannel : admit(priority, this.#gauge.load(now), maxInAll)
    if (verdict.kind === 'taken') return undefined
    this.#gauge.dropped(priority)
    const waitMs = spreadMs(verdict.retryAfterMs, Math.random())
    return refuse('tooManyRequests', `overloaded: wait ${waitMs} ms`, waitMs)
  }

  /** The events of an update that may be delivered under the present load. Events that end subscriptions always may. */
  thin(events: readonly EphemeralEvent[]): readonly EphemeralEvent[] {
    if (events.length === 0) return events
    const load = this.#gauge.load(this.#clock())
    if (admit('typing', load, maxInAll).kind === 'taken') return events
    return events.filter((event) => {
      const priority = priorityOfEvent(event)
      const stays = priority === undefined || admit(priority, load, maxInAll).kind === 'taken'
      if (priority !== undefined && !stays) this.#gauge.dropped(priority)
      return stays
    })
  }

  /** Resolves when a call may leave; undefined when it may leave now. */
  gather(): Promise<void> | undefined {
    if (this.#calls < gatherFrom) return undefined
    this.#round ??= this.#nextRound().finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  /** Counts one call with `units` commands while it is under way, and measures how long it takes. */
  async during(units: number, call: Promise<void>): Promise<void> {
    const begun = this.#clock()
    this.#calls++
    this.#gauge.begin(units)
    try {
      await call
    } finally {
      const now = this.#clock()
      this.#calls--
      this.#gauge.end(units, now - begun, now)
    }
  }

  get figures(): Readonly<Record<Priority, number>> {
    return this.#gauge.figures
  }
}

/** The priority of an event that may be dropped; undefined for one that may not, such as the end of a job. */
export function priorityOfEvent(event: EphemeralEvent): Priority | undefined {
  if (event.kind === 'join' || event.kind === 'leave') return 'presence'
  if (event.kind !== 'pub') return undefined
  if (event.data.startsWith('{"type":"typing"')) return 'typing'
  return event.data.startsWith('{"type":"read"') ? 'signal' : undefined
}
