import { Admission, type Turn } from './admission.ts'
import type { Clock } from './clock.ts'
import type { Scheduler } from './scheduler.ts'
import type { Sender } from './sender.ts'
import type { Settlement } from './settlement.ts'
import type { Store } from './store/store.ts'

/** Attempts under way at once, over all destinations. */
export const MAX_IN_FLIGHT = 200
/** setTimeout knows no longer wait; waking early is harmless. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** After an error of our own (a full disk, say) the work is taken up again, not given up. */
const RECOVERY_MS = 1000

export interface DispatcherParts {
  store: Store
  clock: Clock
  scheduler: Scheduler
  sender: Sender
  settlement: Settlement
  log: (line: string) => void
}

/** Begins what is due. Between two due things there is one timer, and nothing else runs. */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #admission: Admission
  #timer: ReturnType<typeof setTimeout> | undefined
  #woken = false
  #stopped = false
  #inFlight = 0

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#admission = new Admission(parts.store, parts.clock)
  }

  /** Looks for due work soon; many calls in a row make one look. */
  wake(): void {
    if (this.#woken || this.#stopped) return
    this.#woken = true
    setImmediate(() => this.#look())
  }

  /** Nothing is begun or settled any more; what was under way is begun again by the next process. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#parts.sender.stop()
  }

  #look(): void {
    this.#woken = false
    if (this.#stopped) return
    try {
      const { started, lookAgainAt } = this.#begin()
      for (const id of started) void this.#attempt(id)
      this.#lookAgainAt(Math.min(lookAgainAt, this.#parts.store.schedules.nextDue() ?? Infinity))
    } catch (error) {
      this.#parts.log(`qstash: ${String(error)}`)
      this.#lookAgainAt(this.#parts.clock.now() + RECOVERY_MS)
    }
  }

  #begin(): Turn {
    const { store, clock, scheduler } = this.#parts
    const now = clock.now()
    return store.atomically(() => {
      scheduler.fireDue(now)
      return this.#admission.admit(now, MAX_IN_FLIGHT - this.#inFlight)
    })
  }

  #lookAgainAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    const waitMs = Math.max(0, Math.ceil(at - this.#parts.clock.now()))
    this.#timer = setTimeout(() => this.wake(), Math.min(waitMs, LONGEST_TIMER_MS))
  }

  async #attempt(id: string): Promise<void> {
    this.#inFlight += 1
    try {
      await this.#deliver(id)
    } catch (error) {
      this.#parts.log(`qstash: ${id}: ${String(error)}`)
    } finally {
      this.#inFlight -= 1
      this.wake()
    }
  }

  async #deliver(id: string): Promise<void> {
    const { store, clock, sender, settlement, log } = this.#parts
    const message = store.messages.get(id)
    if (message === undefined) return

    store.events.add('ACTIVE', message, clock.now())
    const outcome = await sender.send(message)
    if (this.#stopped) return
    settlement.settle(message, outcome)
    log(`qstash: ${id} → ${message.url} ${outcome.kind === 'answered' ? outcome.status : outcome.error}`)
  }
}
