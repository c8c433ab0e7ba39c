import type { Clock } from './clock.ts'
import { type Message, newMessage } from './message.ts'
import { type Outcome, judge } from './retry.ts'
import type { Sender } from './sender.ts'
import type { Store } from './store.ts'

/** The most attempts at the same time, over all destinations. */
const MAX_IN_FLIGHT = 200
/** The longest wait of setTimeout. Waking early is harmless. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** After an internal error, such as a full disk, work is resumed after this time. */
const RECOVERY_MS = 1000

export interface DispatcherOptions {
  readonly store: Store
  readonly clock: Clock
  readonly sender: Sender
  readonly log: (line: string) => void
}

/** Starts the attempts that are due and stores their outcomes. It waits with one timer. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  #timer: ReturnType<typeof setTimeout> | undefined
  #woken = false
  #stopped = false
  #inFlight = 0

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** Looks for due messages soon. Several calls in a row make one look. */
  wake(): void {
    if (this.#woken || this.#stopped) return
    this.#woken = true
    setImmediate(() => this.#look())
  }

  /** Starts and stores nothing more. The next process makes the unfinished attempts again. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#options.sender.stop()
  }

  #look(): void {
    this.#woken = false
    if (this.#stopped) return
    const { store, clock, log } = this.#options
    try {
      const now = clock.now()
      const started = store.atomically(() => store.startDue(now, MAX_IN_FLIGHT - this.#inFlight))
      for (const id of started) void this.#attempt(id)
      this.#lookAgainAt(store.nextDue(now))
    } catch (error) {
      log(`qstash: ${String(error)}`)
      this.#lookAgainAt(clock.now() + RECOVERY_MS)
    }
  }

  #lookAgainAt(at: number): void {
    clearTimeout(this.#timer)
    if (at === Infinity) return
    const waitMs = Math.max(0, Math.ceil(at - this.#options.clock.now()))
    this.#timer = setTimeout(() => this.wake(), Math.min(waitMs, LONGEST_TIMER_MS))
  }

  async #attempt(id: string): Promise<void> {
    const { store, sender, log } = this.#options
    this.#inFlight += 1
    try {
      const message = store.message(id)
      if (message === undefined) return
      const outcome = await sender.send(message)
      if (this.#stopped) return
      store.atomically(() => this.#settle(message, outcome))
      log(`qstash: ${id} → ${message.url} ${outcome.kind === 'answered' ? outcome.status : outcome.error}`)
    } catch (error) {
      log(`qstash: ${id}: ${String(error)}`)
    } finally {
      this.#inFlight -= 1
      this.wake()
    }
  }

  #settle(message: Message, outcome: Outcome): void {
    const { store, clock } = this.#options
    // Cancelled during the attempt: the outcome has no consequence.
    if (store.message(message.id) === undefined) return
    const { id, retried, details } = message
    const verdict = judge(outcome, { ...details, retried }, clock.now())
    if (verdict.kind === 'retry') return store.retryAt(id, retried + 1, clock.after(verdict.waitMs))
    store.removeMessage(id)
    if (verdict.kind === 'delivered') return
    const dlqId = store.addDeadLetter(message, outcome, clock.now())
    if (details.failureCallback !== undefined)
      store.addMessage(callbackOf(message, details.failureCallback, outcome, dlqId, clock))
  }
}

/** The message that reports a failure to its failure callback. It is retried as often as its source. */
function callbackOf(source: Message, url: string, outcome: Outcome, dlqId: string, clock: Clock): Message {
  const { id, details, retried, body } = source
  const now = clock.now()
  const answered = outcome.kind === 'answered'
  const report = {
    status: answered ? outcome.status : 0,
    header: answered ? outcome.header : {},
    body: base64(answered ? outcome.body : Buffer.from(outcome.error)),
    retried,
    maxRetries: details.maxRetries,
    sourceMessageId: id,
    url: source.url,
    method: details.method,
    sourceHeader: details.header,
    sourceBody: base64(body),
    // The service sends these two as strings.
    notBefore: String(details.notBefore),
    createdAt: String(details.createdAt),
    callerIP: details.callerIp,
    dlqId,
  }
  return newMessage(url, Buffer.from(JSON.stringify(report)), clock, {
    method: 'POST',
    header: { 'Content-Type': ['application/json'] },
    maxRetries: details.maxRetries,
    retryDelay: details.retryDelay,
    labels: [],
    notBefore: now,
    createdAt: now,
    callerIp: details.callerIp,
  })
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
