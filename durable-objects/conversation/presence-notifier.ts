import { LeaveDebouncer } from '../../src/conversations/leave-debouncer.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import type { Ready } from '../../src/kernel/ready.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { EphemeralEvent } from '../../src/protocol/stream.ts'
import type { Subscribers } from '../shared/subscribers.ts'

/** What the notifier needs: the subscribers, and a way to publish events to them. */
export interface PresenceNotifierContext {
  readonly subscribers: () => Pick<Subscribers, 'reachesBeyond'>
  /** Those of these users that have no other connection than the one named. */
  readonly withoutOthers: (infos: readonly ClientInfo[]) => Ready<readonly ClientInfo[]>
  readonly publish: (events: readonly EphemeralEvent[]) => void
  readonly clock: Clock
  readonly graceMs: number
}

/**
 * Publishes which users join and leave a conversation: their first connection and their last one. Where the connections of
 * other gateways are not known, after a restart, the gateways are asked, after the subscriber has its reply. A short timer runs while leaves are pending. If the
 * actor restarts meanwhile, the leave is not published, and presence is right nevertheless.
 */
export class PresenceNotifier {
  readonly #context: PresenceNotifierContext
  readonly #leaves: LeaveDebouncer
  /** Leaves about to be published while gateways are asked. A user that returns meanwhile has neither left nor joined. */
  readonly #leaving = new Map<string, ClientInfo>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(context: PresenceNotifierContext) {
    this.#context = context
    this.#leaves = new LeaveDebouncer(context.graceMs)
  }

  /** Takes joins and leaves out of the events of a call; the events it returns are published at once. */
  filter(events: readonly EphemeralEvent[], gateway: string | null): EphemeralEvent[] {
    return events.filter((event) => {
      if (event.kind === 'leave') this.#left(event.info)
      return event.kind === 'join' ? this.#joined(event.info, gateway) : event.kind !== 'leave'
    })
  }

  /** Whether the join can be published at once. */
  #joined(info: ClientInfo, gateway: string | null): boolean {
    const wasLeaving = this.#leaving.delete(info.user)
    if (!this.#leaves.joined(info) || wasLeaving) return false
    if (!this.#context.subscribers().reachesBeyond(gateway)) return true
    const joined = this.#context.withoutOthers([info])
    if (!(joined instanceof Promise)) return joined.length > 0
    void this.#publishJoin(info, joined)
    return false
  }

  #left(info: ClientInfo): void {
    this.#leaves.left(info, this.#context.clock.now())
    this.#startTimer()
  }

  #startTimer(): void {
    const waitMs = this.#leaves.waitMs(this.#context.clock.now())
    if (waitMs === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#publishLeaves(this.#leaves.due(this.#context.clock.now()))
      this.#startTimer()
    }, waitMs)
  }

  async #publishJoin(info: ClientInfo, joined: Promise<readonly ClientInfo[]>): Promise<void> {
    if ((await joined).length > 0) this.#context.publish([{ kind: 'join', info }])
  }

  async #publishLeaves(infos: readonly ClientInfo[]): Promise<void> {
    if (infos.length === 0) return
    for (const info of infos) this.#leaving.set(info.user, info)
    const left = await this.#context.withoutOthers(infos)
    const events = left
      .filter((info) => this.#leaving.get(info.user) === info)
      .map((info) => ({ kind: 'leave' as const, info }))
    for (const info of infos) if (this.#leaving.get(info.user) === info) this.#leaving.delete(info.user)
    if (events.length > 0) this.#context.publish(events)
  }
}
