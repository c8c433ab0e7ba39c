import type { StreamCommand, StreamResult } from '../protocol/stream.ts'
import type { BatchWindow } from './batch-window.ts'
import type { Session } from './session.ts'

/** A command of a session on its way to a stream, and what to do with its result; `settle` must not wait. */
export interface PendingCommand {
  readonly session: Session
  readonly command: StreamCommand
  readonly settle: (result: StreamResult) => void
}

/**
 * Commands of one gateway to one stream. Idle: the first leaves at once. While a call is under way the others gather
 * and leave together as the next call: under load they merge, and order is kept because only one call is under way.
 * In a crowd even the first waits for the others that are already here.
 */
export class CommandBatcher {
  readonly #send: (commands: readonly PendingCommand[]) => Promise<void>
  readonly #crowd: BatchWindow
  readonly #cap: number
  #waiting: PendingCommand[] = []
  #busy = false
  #poked = false
  /** When the call under way began, in milliseconds; 0 when there is none. Whoever makes the calls keeps it. */
  calledAt = 0

  /** `send` makes one call and settles its commands; it must not throw. `cap` bounds the commands in one call. */
  constructor(send: (commands: readonly PendingCommand[]) => Promise<void>, crowd: BatchWindow, cap = 256) {
    this.#send = send
    this.#crowd = crowd
    this.#cap = cap
  }

  get busy(): boolean {
    return this.#busy
  }

  /** Whether it has another call to make once the one under way is answered. */
  get hasWork(): boolean {
    return this.#poked || this.#waiting.length > 0
  }

  get waiting(): number {
    return this.#waiting.length
  }

  add(command: PendingCommand): void {
    this.#waiting.push(command)
    if (!this.#busy) void this.#run()
  }

  /** Makes one more call, even without commands, to be brought up to date. */
  pull(): void {
    this.#poked = true
    if (!this.#busy) void this.#run()
  }

  /** In a crowd: waits as long as company keeps coming, a few rounds at most. */
  async #gather(): Promise<void> {
    let alone = 0
    for (let rounds = 0, company = -1; rounds < 16 && alone < 2; rounds++) {
      alone = this.#waiting.length > company ? 0 : alone + 1
      company = this.#waiting.length
      const gathering = this.#crowd.gather()
      if (gathering === undefined) return
      await gathering
    }
  }

  async #run(): Promise<void> {
    this.#busy = true
    try {
      while (this.#poked || this.#waiting.length > 0) {
        await this.#gather()
        this.#poked = false
        await this.#crowd.during(this.#send(this.#waiting.splice(0, this.#cap)))
      }
    } finally {
      this.#busy = false
    }
  }
}
