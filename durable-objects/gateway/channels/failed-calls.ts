import { log } from '../../../src/kernel/log.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { Hub } from '../../../src/realtime/hub.ts'
import { patientWaitMs } from '../../open-actors.ts'
import { commandDueMs } from '../gateway-context.ts'

/** A subscribed channel whose calls failed is asked for its position after this time, in milliseconds. */
const askAgainMs = 5000

interface Command {
  readonly command: { readonly kind: string }
  readonly settle: (refusal: Refusal) => void
}

/** A call under way, with the commands that it carries and those that wait for it. */
export interface CallUnderWay {
  /** When it began, in milliseconds; 0 when there is none. */
  readonly calledAt: number
  readonly called: readonly Command[]
  /** Returns the commands that wait. */
  abandon(): Command[]
}

/** What becomes of commands whose stream did not answer. */
export class FailedCalls {
  readonly #hub: Hub
  readonly #pull: (tenant: string, channel: string) => void

  /** `pull` makes a call whose answer brings the publications that are missing here. */
  constructor(hub: Hub, pull: (tenant: string, channel: string) => void) {
    this.#hub = hub
    this.#pull = pull
  }

  /**
   * Refuses the commands of a channel, and asks it again later: what the failed call did, if it did anything, was published
   * to the other gateways only, since ours would have had it in the answer.
   */
  refuse(key: string, commands: readonly Command[]): void {
    commands.forEach(({ settle }) => settle(refuse('internal', 'the stream could not be reached')))
    if (this.#hub.byKey.has(key)) void this.#askAgain(key)
  }

  /** Gives up calls that have taken too long: an actor that does not answer must not hold its clients. */
  expire<C extends CallUnderWay>(calls: Map<string, C>, now: number, ended: (call: C) => void): void {
    for (const [key, call] of calls) {
      const { calledAt, called } = call
      // No client waits for the end of a subscription, which may have to wait for a place.
      const placeMs = called.every(({ command }) => command.kind === 'leave') ? patientWaitMs : 0
      if (calledAt === 0 || now - calledAt < placeMs + commandDueMs) continue
      log.warn('gateway.call-overdue', { channel: key, commands: called.length })
      calls.delete(key)
      ended(call)
      this.refuse(key, [...called, ...call.abandon()])
    }
  }

  async #askAgain(key: string): Promise<void> {
    await scheduler.wait(askAgainMs)
    const state = this.#hub.byKey.get(key)
    if (state !== undefined) this.#pull(state.tenant, state.channel)
  }
}
