import { ownEventTypes } from '../../events/own-topic.ts'
import type { LogEvent } from '../../events/log-event.ts'
import type { Delivery, DeliveryOutcome } from '../consumers/consumer.ts'
import type { PostResult } from '../consumers/pusher.ts'
import { healthAfter, isRejected, type Health, type Signal } from './health.ts'

/** One in this time of the deliveries that succeed at once is logged, in milliseconds. */
export const sampledEveryMs = 10_000
/** Attempts after which an event is given up, if the endpoint takes others. */
export const webhookAttempts = 16

/** How far an event is that is in the log of deliveries. */
export type DeliveryState = 'delivered' | 'retrying' | 'given-up'

/** The newest attempt of an event, as the log of deliveries has it. */
export interface LoggedAttempt {
  readonly event: LogEvent
  readonly at: number
  readonly state: DeliveryState
  readonly status: number | null
  /** Why it failed; null for a success. */
  readonly reason: string | null
  readonly answer: string
  readonly durationMs: number
}

/** A delivery as it is listed; times in milliseconds since the epoch. */
export interface LoggedDelivery {
  readonly offset: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly firstAt: number
  readonly at: number
  readonly status: number | null
  readonly reason: string | null
  readonly answer: string
  readonly durationMs: number
}

/** What is stored of a webhook beside its consumer. */
export interface WebhookStore {
  health: Health
  /** Adds an attempt to the row of its event. False when there is none; then it is made where `makes`. */
  log(attempt: LoggedAttempt, makes: boolean): boolean
}

/** What a webhook tells its consumer. */
export interface WebhookPorts {
  /** The endpoint takes events again. */
  recovered(now: number): void
  disabled(health: Health): void
}

/** How the endpoint of a webhook does, and the log of its deliveries. It knows no network and no clock. */
export class Webhook {
  readonly #store: WebhookStore
  readonly #ports: WebhookPorts
  #health: Health
  #sampledAt = 0

  constructor(store: WebhookStore, ports: WebhookPorts) {
    this.#store = store
    this.#ports = ports
    this.#health = store.health
  }

  get health(): Health {
    return this.#health
  }

  get isDisabled(): boolean {
    return this.#health.state === 'disabled'
  }

  /** Goes on with the endpoint, whatever it did before. */
  enable(now: number): void {
    if (this.#health.state !== 'active') this.#put({ state: 'active', since: now, reason: null })
    this.#ports.recovered(now)
  }

  /** Notes how a post ended. Returns what it means for the event: while the endpoint takes nothing, nothing is given up. */
  note({ event, attempt }: Delivery, result: PostResult, now: number): PostResult {
    const before = this.#health
    const signal = signalOf(result)
    const after = healthAfter(before, signal, now)
    const outcome = outcomeOf(result, before)
    this.#log(event, attempt, { ...result, outcome }, now)
    if (after === before) return { ...result, outcome }
    this.#put(after)
    if (after.state === 'active') this.#ports.recovered(now)
    if (after.state === 'disabled') this.#ports.disabled(after)
    return { ...result, outcome }
  }

  #log(event: LogEvent, attempt: number, { outcome, answer }: PostResult, now: number): void {
    if (answer === undefined) return
    const isTaken = outcome.kind === 'done'
    const isGivenUp = outcome.kind === 'retry' && attempt >= webhookAttempts && outcome.isKept !== true
    const logged: LoggedAttempt = {
      event,
      at: now,
      state: isTaken ? 'delivered' : isGivenUp ? 'given-up' : 'retrying',
      status: answer.status,
      reason: isTaken ? null : outcome.kind === 'retry' ? outcome.reason : statusReason(answer.status),
      answer: answer.beginning,
      durationMs: answer.durationMs,
    }
    const isSampled = now - this.#sampledAt >= sampledEveryMs || now < this.#sampledAt
    const isMade = this.#store.log(logged, !isTaken || isSampled || event.type === ownEventTypes.ping)
    if (isTaken && isMade && isSampled) this.#sampledAt = now
  }

  #put(health: Health): void {
    this.#health = health
    this.#store.health = health
  }
}

function signalOf({ outcome, answer }: PostResult): Signal {
  if (outcome.kind === 'done') return { kind: 'taken' }
  if (answer?.status === 410) return { kind: 'gone', reason: 'the endpoint answered 410 Gone' }
  if (outcome.kind !== 'released') return { kind: 'failed', reason: outcome.reason }
  return answer === undefined ? { kind: 'refused' } : { kind: 'failed', reason: statusReason(answer.status) }
}

const statusReason = (status: number | null): string => `the endpoint answered ${status}`

function outcomeOf({ outcome, answer }: PostResult, { state }: Health): DeliveryOutcome {
  if (outcome.kind === 'done' || outcome.kind === 'released') return outcome
  // The consumer hands out nothing until it is enabled; then this one again.
  if (answer?.status === 410) return { kind: 'released' }
  const isKept = outcome.kind === 'dead' || (state !== 'active' && !isRejected(answer?.status ?? null))
  return { ...outcome, kind: 'retry', isKept }
}
