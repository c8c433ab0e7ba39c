import type { RateLimitClass } from '../../src/conversations/command.ts'
import { commandNamed } from '../../src/conversations/commands/table.ts'
import { spreadMs } from '../../src/kernel/retry.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { EphemeralEvent, StreamVerb } from '../../src/protocol/stream.ts'
import { admit, LoadGauge, type Load, type Priority } from '../../src/limits/shedding.ts'

/** What may wait for one channel. SDKs wait five seconds for a subscription: from four on the answer would come too late. */
const maxPerChannel: Load = { waiting: 4096, ageMs: 8000 }
/** What may wait for all channels of a gateway, and how slow their calls may be on average. */
export const maxInAll: Load = { waiting: 32_768, ageMs: 8000 }

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

/** Decides what a gateway refuses or drops when there is more to do than it can. */
export class Overload {
  /** Measures the calls of the gateway to its channels. */
  readonly #gauge = new LoadGauge()
  readonly #underWay: { readonly commands: number }
  readonly #clock: () => number

  /** `underWay` counts the commands of calls that are not answered yet. */
  constructor(underWay: { readonly commands: number }, clock: () => number) {
    this.#underWay = underWay
    this.#clock = clock
  }

  /** A call was answered after `tookMs`. */
  called(tookMs: number, now: number): void {
    this.#gauge.end(0, tookMs, now)
  }

  /** Why a command may not join its queue; undefined when it may. */
  refusal(verb: StreamVerb, queue: Queue): Refusal | undefined {
    const priority = priorityOf(verb)
    if (priority === undefined) return undefined
    const now = this.#clock()
    const ageMs = queue.calledAt === 0 ? 0 : now - queue.calledAt
    const ofChannel = admit(priority, { waiting: queue.waiting, ageMs }, maxPerChannel)
    const verdict = ofChannel.kind === 'limited' ? ofChannel : admit(priority, this.#load(now), maxInAll)
    if (verdict.kind === 'taken') return undefined
    this.#gauge.dropped(priority)
    const waitMs = spreadMs(verdict.retryAfterMs, Math.random())
    return refuse('tooManyRequests', `overloaded: wait ${waitMs} ms`, waitMs)
  }

  /** The events of an update that may be delivered under the present load. Events that end subscriptions always may. */
  thin(events: readonly EphemeralEvent[]): readonly EphemeralEvent[] {
    if (events.length === 0) return events
    const load = this.#load(this.#clock())
    if (admit('typing', load, maxInAll).kind === 'taken') return events
    return events.filter((event) => {
      const priority = priorityOfEvent(event)
      const stays = priority === undefined || admit(priority, load, maxInAll).kind === 'taken'
      if (priority !== undefined && !stays) this.#gauge.dropped(priority)
      return stays
    })
  }

  #load(now: number): Load {
    return { ...this.#gauge.load(now), waiting: this.#underWay.commands }
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
