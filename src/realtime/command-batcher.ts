import type { StreamCommand, StreamResult } from '../protocol/stream.ts'
import type { HubChannel } from './hub.ts'
import type { Session } from './session.ts'

/** A command of a session on its way to a stream; `settle` takes its result and must not wait. */
export interface PendingCommand {
  readonly session: Session
  readonly command: StreamCommand
  readonly settle: (result: StreamResult) => void
}

/**
 * Batches the commands of one gateway to one stream. The first command leaves at once. While a call is under way further
 * commands wait and leave together as the next call: under load they merge, and their order is kept because only one call
 * is under way. When the gateway makes many calls, the first command waits for others that have already arrived, too.
 */
export class CommandBatcher {
  readonly #send: (commands: readonly PendingCommand[]) => Promise<void>
  readonly #gather: () => Promise<void> | undefined
  readonly #cap: number
  #waiting: PendingCommand[] = []
  #called: readonly PendingCommand[] = []
  #pulls = false
  busy = false
  /** When the call under way began, in milliseconds; 0 when there is none. Set by `send`. */
  calledAt = 0

  /**
   * `send` makes one call and settles its commands; it must not throw. `gather` resolves when a call may leave, and is
   * undefined when it may leave now. `cap` bounds the commands of one call.
   */
  constructor(
    send: (commands: readonly PendingCommand[]) => Promise<void>,
    gather: () => Promise<void> | undefined,
    cap = 256,
  ) {
    this.#send = send
    this.#gather = gather
    this.#cap = cap
  }

  /** Whether another call follows once the one under way is answered. */
  get hasWork(): boolean {
    return this.#pulls || this.#waiting.length > 0
  }

  /** The connections whose subscribe is under way, or waits. */
  get subscribing(): string[] {
    const all = [...this.#called, ...this.#waiting]
    return all.flatMap(({ command, session }) => (command.kind === 'subscribe' ? [session.client] : []))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  add(command: PendingCommand): void {
    this.#waiting.push(command)
    if (!this.busy) void this.#run()
  }

  /** Makes one more call, also without commands, to be brought up to date. */
  pull(): void {
    this.#pulls = true
    if (!this.busy) void this.#run()
  }

  async #run(): Promise<void> {
    this.busy = true
    try {
      while (this.hasWork) {
        // Also when it does not wait: the commands that follow in the same frame join the call.
        await this.#waitForOthers()
        this.#pulls = false
        await this.#send((this.#called = this.#waiting.splice(0, this.#cap)))
      }
    } finally {
      this.#called = []
      this.busy = false
    }
  }

  /** While calls gather: waits as long as rounds bring further commands, at most 16 rounds. */
  async #waitForOthers(): Promise<void> {
    let idle = 0
    for (let rounds = 0, known = -1; rounds < 16 && idle < 2; rounds++) {
      idle = this.#waiting.length > known ? 0 : idle + 1
      known = this.#waiting.length
      const round = this.#gather()
      if (round === undefined) return
      await round
    }
  }
}

/**
 * The commands of one call, completed by what is known only when it leaves. Whether a leave is the last of its channel may
 * have changed since it was added: another session may have subscribed, or does in this very call, and a stream that took
 * the gateway for unsubscribed would send it no more updates. `alone`, by which joins and leaves are published, says that
 * the user has no other subscribed connection; `connectionsOf` returns the connections of a session's user here.
 */
export function completeCommands(
  commands: readonly PendingCommand[],
  state: HubChannel | undefined,
  connectionsOf: (session: Session) => readonly Session[],
): StreamCommand[] {
  const last = () => state === undefined && !commands.some(({ command }) => command.kind === 'subscribe')
  const alone = (session: Session) =>
    state === undefined || !connectionsOf(session).some((other) => other !== session && state.sessions.has(other))
  return commands.map(({ command, session }, index) => {
    if (command.kind === 'leave') return { ...command, last: last(), alone: alone(session) }
    if (command.kind !== 'subscribe') return command
    const isFirst = !commands.slice(0, index).some((earlier) => subscribesAs(earlier, command.user))
    return { ...command, alone: isFirst && alone(session) }
  })
}

const subscribesAs = ({ command }: PendingCommand, user: string): boolean =>
  command.kind === 'subscribe' && command.user === user
