import { LeaveDebouncer } from '../../src/conversations/leave-debouncer.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { EphemeralEvent } from '../../src/protocol/stream.ts'
import type { Subscribers } from '../shared/subscribers.ts'

/** What an usher works with: who listens, and a way to say something to all of them. */
export interface PresenceNotifierContext {
  readonly subscribers: () => Pick<Subscribers, 'presence' | 'reachesBeyond'>
  readonly publish: (signals: readonly EphemeralEvent[]) => void
  readonly clock: Clock
  readonly graceMs: number
}

/**
 * Tells a conversation who comes and goes, by user. What gateways report is of themselves only: where there are several,
 * the others are asked, behind the answer to the one who came. One short timer while somebody is going, none otherwise;
 * should the actor lose its memory meanwhile the going is not told, and presence says the truth.
 */
export class PresenceNotifier {
  readonly #context: PresenceNotifierContext
  readonly #leaves: LeaveDebouncer
  /** Whose going is about to be told, while gateways are asked: who comes back meanwhile has neither gone nor come. */
  readonly #leaving = new Map<string, ClientInfo>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(parts: PresenceNotifierContext) {
    this.#context = parts
    this.#leaves = new LeaveDebouncer(parts.graceMs)
  }

  /** Takes comings and goings out of a turn's signals; what is left is to be told at once. */
  filter(signals: readonly EphemeralEvent[], gateway: string | null): EphemeralEvent[] {
    return signals.filter((signal) => {
      if (signal.kind === 'leave') this.#left(signal.info)
      return signal.kind === 'join' ? this.#joined(signal.info, gateway) : signal.kind !== 'leave'
    })
  }

  /** Whether it can be told at once. */
  #joined(info: ClientInfo, gateway: string | null): boolean {
    const wasLeaving = this.#leaving.delete(info.user)
    if (!this.#leaves.joined(info) || wasLeaving) return false
    if (!this.#context.subscribers().reachesBeyond(gateway)) return true
    void this.#publishJoin(info)
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

  async #publishJoin(info: ClientInfo): Promise<void> {
    const news = await this.#withoutOtherConnections([info])
    if (news.length > 0) this.#context.publish([{ kind: 'join', info }])
  }

  async #publishLeaves(infos: readonly ClientInfo[]): Promise<void> {
    if (infos.length === 0) return
    for (const info of infos) this.#leaving.set(info.user, info)
    const gone = await this.#withoutOtherConnections(infos)
    const signals = gone
      .filter((info) => this.#leaving.get(info.user) === info)
      .map((info) => ({ kind: 'leave' as const, info }))
    for (const info of infos) if (this.#leaving.get(info.user) === info) this.#leaving.delete(info.user)
    if (signals.length > 0) this.#context.publish(signals)
  }

  /** A connection that came or went is not counted itself: only whether the user has another. */
  async #withoutOtherConnections(infos: readonly ClientInfo[]): Promise<readonly ClientInfo[]> {
    const here = await this.#context.subscribers().presence()
    return infos.filter(({ user, client }) => !here.some((one) => one.user === user && one.client !== client))
  }
}
