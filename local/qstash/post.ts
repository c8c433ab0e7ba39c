import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'
import { configured } from './flow-control.ts'
import type { FlowLimits, Message, PublishOptions } from './model.ts'
import type { Store } from './store/store.ts'

/** A message to be written: what is asked for it, and where it comes from. */
export interface Draft {
  url: string
  options: PublishOptions
  body: Uint8Array
  callerIp: string
  queue?: string | null
  /** A place in the queue to take over; without one the message goes to the end. */
  position?: number
  topicName?: string | undefined
  endpointName?: string | undefined
  scheduleId?: string | undefined
}

/** A fresh id: `msg_…` for messages, `scd_…` for schedules. */
export const newId = (prefix: 'msg' | 'scd') => `${prefix}_${randomBytes(18).toString('base64url')}`

/** Puts messages on their way: every message, whatever its origin, is written here. */
export class Post {
  readonly #store: Store
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Call inside a transaction together with what the message depends on. */
  write(draft: Draft): Message {
    const message = this.#compose(draft)
    if (message.queue !== null) this.#store.queues.ensure(message.queue, message.details.createdAt)
    if (message.details.flow !== undefined) this.#configure(message.details.flow)
    this.#store.messages.add(message)
    this.#store.events.add('CREATED', message, message.details.createdAt)
    return message
  }

  #compose({ url, options, body, callerIp, queue, position, topicName, endpointName, scheduleId }: Draft): Message {
    const createdAt = this.#clock.now()
    const notBefore = options.notBefore ?? createdAt + options.delayMs
    return {
      id: newId('msg'),
      url,
      queue: queue ?? null,
      retried: 0,
      body,
      position: position ?? this.#store.messages.nextPosition(),
      dueAt: this.#clock.after(notBefore - createdAt),
      details: { ...options, notBefore, createdAt, callerIp, topicName, endpointName, scheduleId },
    }
  }

  #configure(limits: FlowLimits): void {
    const flow = this.#store.flows.getOrNew(limits.key)
    const next = configured(flow, limits)
    if (next !== undefined) this.#store.flows.put(next)
  }
}
