import { Attendance } from '../../src/conversations/attendance.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { Signal } from '../../src/protocol/stream.ts'
import type { Audience } from './audience.ts'

/** What an usher works with: who listens, and a way to say something to all of them. */
export interface UsherParts {
  readonly audience: () => Pick<Audience, 'roster' | 'reachesBeyond'>
  readonly tell: (signals: readonly Signal[]) => void
  readonly clock: Clock
  readonly graceMs: number
}

/**
 * Tells a conversation who comes and goes, by user. What gateways report is of themselves only: where there are several,
 * the others are asked, behind the answer to the one who came. One short timer while somebody is going, none otherwise;
 * should the actor lose its memory meanwhile the going is not told, and presence says the truth.
 */
export class Usher {
  readonly #parts: UsherParts
  readonly #attendance: Attendance
  /** Whose going is about to be told, while gateways are asked: who comes back meanwhile has neither gone nor come. */
  readonly #leaving = new Map<string, ClientInfo>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(parts: UsherParts) {
    this.#parts = parts
    this.#attendance = new Attendance(parts.graceMs)
  }

  /** Takes comings and goings out of a turn's signals; what is left is to be told at once. */
  sort(signals: readonly Signal[], gateway: string | null): Signal[] {
    return signals.filter((signal) => {
      if (signal.kind === 'leave') this.#went(signal.info)
      return signal.kind === 'join' ? this.#came(signal.info, gateway) : signal.kind !== 'leave'
    })
  }

  /** Whether it can be told at once. */
  #came(info: ClientInfo, gateway: string | null): boolean {
    const wasLeaving = this.#leaving.delete(info.user)
    if (!this.#attendance.came(info) || wasLeaving) return false
    if (!this.#parts.audience().reachesBeyond(gateway)) return true
    void this.#tellJoin(info)
    return false
  }

  #went(info: ClientInfo): void {
    this.#attendance.went(info, this.#parts.clock.now())
    this.#look()
  }

  #look(): void {
    const waitMs = this.#attendance.waitMs(this.#parts.clock.now())
    if (waitMs === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#tellLeaves(this.#attendance.due(this.#parts.clock.now()))
      this.#look()
    }, waitMs)
  }

  async #tellJoin(info: ClientInfo): Promise<void> {
    const news = await this.#nowhereElse([info])
    if (news.length > 0) this.#parts.tell([{ kind: 'join', info }])
  }

  async #tellLeaves(infos: readonly ClientInfo[]): Promise<void> {
    if (infos.length === 0) return
    for (const info of infos) this.#leaving.set(info.user, info)
    const gone = await this.#nowhereElse(infos)
    const signals = gone
      .filter((info) => this.#leaving.get(info.user) === info)
      .map((info) => ({ kind: 'leave' as const, info }))
    for (const info of infos) if (this.#leaving.get(info.user) === info) this.#leaving.delete(info.user)
    if (signals.length > 0) this.#parts.tell(signals)
  }

  /** A connection that came or went is not counted itself: only whether the user has another. */
  async #nowhereElse(infos: readonly ClientInfo[]): Promise<readonly ClientInfo[]> {
    const here = await this.#parts.audience().roster()
    return infos.filter(({ user, client }) => !here.some((one) => one.user === user && one.client !== client))
  }
}
