import { callbackDraft, inPlaceOf } from './callbacks.ts'
import type { Clock } from './clock.ts'
import type { Message } from './model.ts'
import type { Post } from './post.ts'
import { judge, type Outcome } from './retry.ts'
import type { AttemptFacts } from './store/events.ts'
import type { Store } from './store/store.ts'

/** Makes an attempt's outcome true: the message's next state, its log entries and its callbacks, all at once. */
export class Settlement {
  readonly #store: Store
  readonly #clock: Clock
  readonly #post: Post

  constructor(store: Store, clock: Clock, post: Post) {
    this.#store = store
    this.#clock = clock
    this.#post = post
  }

  settle(message: Message, outcome: Outcome): void {
    this.#store.atomically(() => {
      // Cancelled while the attempt was under way: it may have arrived, but nothing follows from it.
      if (this.#store.messages.get(message.id) === undefined) return

      const verdict = judge(outcome, { ...message.details, retried: message.retried }, this.#clock.now())
      switch (verdict.kind) {
        case 'delivered':
          return this.#delivered(message, outcome)
        case 'retry':
          return this.#retry(message, outcome, verdict.waitMs)
        case 'failed':
          return this.#failed(message, outcome)
      }
    })
  }

  #delivered(message: Message, outcome: Outcome): void {
    this.#store.messages.remove(message.id)
    this.#store.events.add('DELIVERED', message, this.#clock.now(), factsOf(outcome))
    this.#finishSchedule(message, 'SUCCESS')
    const { callback } = message.details
    if (callback) this.#post.write(inPlaceOf(message, callbackDraft(callback, message, outcome)))
  }

  #retry(message: Message, outcome: Outcome, waitMs: number): void {
    const now = this.#clock.now()
    const dueAt = this.#clock.after(waitMs)
    this.#store.messages.retryAt(message.id, message.retried + 1, dueAt)
    this.#store.events.add('ERROR', message, now, factsOf(outcome))
    this.#store.events.add('RETRY', message, now, { nextDeliveryTime: Math.ceil(dueAt) })
    const { callback } = message.details
    // Outside of the queue: in it, the callback would wait for the very message it tells about.
    if (callback) this.#post.write(callbackDraft(callback, message, outcome))
  }

  #failed(message: Message, outcome: Outcome): void {
    const now = this.#clock.now()
    this.#store.messages.remove(message.id)
    this.#store.events.add('ERROR', message, now, factsOf(outcome))
    this.#store.events.add('FAILED', message, now, factsOf(outcome))
    this.#finishSchedule(message, 'FAIL')
    const dlqId = this.#store.deadLetters.add(message, lastAnswer(outcome), now)
    const { callback, failureCallback } = message.details
    if (callback) this.#post.write(inPlaceOf(message, callbackDraft(callback, message, outcome)))
    if (failureCallback) this.#post.write(inPlaceOf(message, callbackDraft(failureCallback, message, outcome, dlqId)))
  }

  #finishSchedule({ id, details }: Message, state: 'SUCCESS' | 'FAIL'): void {
    const schedule = details.scheduleId === undefined ? undefined : this.#store.schedules.get(details.scheduleId)
    if (schedule === undefined || !(id in schedule.lastStates)) return
    this.#store.schedules.put({ ...schedule, lastStates: { ...schedule.lastStates, [id]: state } })
  }
}

function lastAnswer(outcome: Outcome) {
  return outcome.kind === 'answered' ? outcome : { status: null, header: {}, body: Buffer.from(outcome.error) }
}

function factsOf(outcome: Outcome): AttemptFacts {
  if (outcome.kind === 'unreachable') return { error: outcome.error }
  const { status, body } = outcome
  const succeeded = status >= 200 && status < 300
  return succeeded ? { responseStatus: status } : { responseStatus: status, error: Buffer.from(body).toString() }
}
