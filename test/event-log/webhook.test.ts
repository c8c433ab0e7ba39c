import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventConsumerSchema } from '../../durable-objects/event-consumer/schema.ts'
import { SqlConsumerStore } from '../../durable-objects/event-consumer/sql-consumer-store.ts'
import { SqlWebhookStore } from '../../durable-objects/event-consumer/sql-webhook-store.ts'
import { Settings } from '../../durable-objects/shared/settings.ts'
import { Consumer, type ConsumerRules, type Delivery } from '../../src/event-log/consumers/consumer.ts'
import { matcherOf } from '../../src/event-log/consumers/filter.ts'
import { resultOfAnswer } from '../../src/event-log/consumers/post-answer.ts'
import type { PostResult } from '../../src/event-log/consumers/pusher.ts'
import { disabledAfterMs, healthAfter, type Health } from '../../src/event-log/webhooks/health.ts'
import { sampledEveryMs, Webhook, webhookAttempts } from '../../src/event-log/webhooks/webhook.ts'
import type { LogEvent } from '../../src/events/log-event.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const hourMs = 3_600_000
const rules: ConsumerRules = {
  types: [],
  keys: [],
  sources: [],
  condition: null,
  parallel: 10,
  maxAttempts: webhookAttempts,
}
const event = (offset: number, key: string | null, rest: Partial<LogEvent> = {}): LogEvent => ({
  offset,
  at: offset,
  source: '/conversations/lunch',
  id: `e.${offset}`,
  type: 'message.created',
  key,
  version: 1,
  data: '{}',
  attributes: {},
  ...rest,
})
const offsets = (deliveries: readonly { readonly event: LogEvent }[]) =>
  deliveries.map(({ event: { offset } }) => offset)

/** What an endpoint that answered this status did. */
const answered = (status: number): PostResult => ({
  ...resultOfAnswer(status, null, 0),
  answer: { status, beginning: `it is ${status}`, durationMs: 5 },
})

/** A webhook with its consumer, which can lose its memory at any time. */
class TestWebhook {
  readonly sql = new NodeSql(eventConsumerSchema)
  readonly #rules: ConsumerRules
  readonly disabled: Health[] = []
  consumer!: Consumer
  webhook!: Webhook
  log!: SqlWebhookStore

  constructor(given: Partial<ConsumerRules> = {}) {
    this.#rules = { ...rules, ...given }
    this.restart()
  }

  restart(): void {
    const settings = new Settings(this.sql, true)
    this.log = new SqlWebhookStore(this.sql, settings)
    this.consumer = new Consumer(new SqlConsumerStore(this.sql), this.#rules, () => 0.5)
    this.webhook = new Webhook(this.log, {
      recovered: (now) => this.consumer.retrySoon(now),
      disabled: (health) => this.disabled.push(health),
    })
  }

  /** Posts everything that can be posted now, and returns the offsets that were taken. */
  post(now: number, answer: (delivery: Delivery) => number): number[] {
    const taken: number[] = []
    for (;;) {
      const deliveries = this.webhook.isDisabled ? [] : this.consumer.handOut(now, Infinity)
      if (deliveries.length === 0) return taken
      for (const delivery of deliveries) {
        const status = answer(delivery)
        const { outcome } = this.webhook.note(delivery, answered(status), now)
        if (status < 300) taken.push(delivery.event.offset)
        this.consumer.settle([{ delivery, outcome }], now)
      }
    }
  }

  deliveries(now: number) {
    return this.log
      .deliveries(1e9, 100, undefined, now)
      .map(({ offset, state, attempts, status }) => [offset, state, attempts, status])
  }
}

describe('an endpoint', () => {
  test('is disabled by nothing but failures for five days, and by no shorter outage however it ends', () => {
    const signals = fc.array(
      fc.record({ afterMs: fc.integer({ min: 1, max: 3 * 24 * hourMs }), isTaken: fc.boolean() }),
    )
    fc.assert(
      fc.property(signals, (all) => {
        let health: Health = { state: 'active', since: 0, reason: null }
        let now = 0
        let failsSince: number | undefined
        let isDisabled = false
        for (const { afterMs, isTaken } of all) {
          now += afterMs
          health = healthAfter(health, isTaken ? { kind: 'taken' } : { kind: 'failed', reason: 'no' }, now)
          failsSince = isTaken ? undefined : (failsSince ?? now)
          isDisabled ||= failsSince !== undefined && now - failsSince >= disabledAfterMs
          expect(health.state).toBe(isDisabled ? 'disabled' : failsSince === undefined ? 'active' : 'failing')
        }
      }),
    )
  })

  test('that is down for less than five days loses no event and no order, whatever is killed meanwhile', () => {
    const hook = new TestWebhook()
    const all = [event(1, 'a'), event(2, 'b'), event(3, 'a'), event(4, null), event(5, 'a')]
    let now = 0
    for (; now < disabledAfterMs - hourMs; now += hourMs) {
      if (now % (24 * hourMs) === 0) hook.restart()
      hook.consumer.take(all, 1, now)
      expect(hook.post(now, () => 500)).toEqual([])
    }
    expect(hook.webhook.health).toMatchObject({ state: 'failing', since: 0, reason: 'the endpoint answered 500' })
    expect(hook.consumer.figures.dead).toBe(0)
    hook.restart()
    const taken = hook.post(now + hourMs, () => 204)
    expect(taken.filter((offset) => [1, 3, 5].includes(offset))).toEqual([1, 3, 5])
    expect(taken.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5])
    expect(hook.webhook.health).toMatchObject({ state: 'active' })
  })

  test('that takes other events gives one up that it never takes, and one that it rejects even while it takes none', () => {
    const hook = new TestWebhook({ ordered: false })
    hook.consumer.take([event(1, 'a'), event(2, 'a')], 1, 0)
    let next = 3
    for (let now = 0; now < 48 * hourMs; now += hourMs) {
      hook.post(now, ({ event: { offset } }) => (offset === 1 ? 500 : 204))
      hook.consumer.take([event(next, 'a')], 1, now)
      next++
    }
    expect(hook.consumer.figures.dead).toBe(1)
    expect(hook.deliveries(48 * hourMs).at(-1)).toEqual([1, 'given-up', webhookAttempts, 500])

    const alone = new TestWebhook({ ordered: true })
    alone.consumer.take([event(1, 'a'), event(2, 'a')], 1, 0)
    const taken: number[] = []
    for (let now = 0; now < 48 * hourMs; now += hourMs)
      taken.push(...alone.post(now, ({ event: { offset } }) => (offset === 1 ? 422 : 204)))
    expect(taken).toEqual([2])
  })

  test('that recovers gets what waits at once, without the pauses of before', () => {
    const hook = new TestWebhook({ ordered: false })
    hook.consumer.take([event(1, 'a'), event(2, 'a'), event(3, 'b')], 1, 0)
    for (let now = 0; now < 6 * hourMs; now += hourMs) hook.post(now, () => 503)
    hook.consumer.take([event(4, 'c')], 1, 6 * hourMs + 1)
    expect(hook.post(6 * hourMs + 1, () => 204).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
  })
})

describe('the log of deliveries', () => {
  test('has each event that failed, and one in ten seconds of the others', () => {
    const hook = new TestWebhook()
    const count = 40
    for (let n = 1; n <= count; n++) {
      hook.consumer.take([event(n, null)], 1, n * 1000)
      hook.post(n * 1000, ({ attempt }) => (n === 7 && attempt === 1 ? 500 : 204))
    }
    const logged = hook.deliveries(1e6)
    expect(logged.filter(([, state]) => state === 'delivered')).toHaveLength(
      1 + Math.floor(count / (sampledEveryMs / 1000)),
    )
    expect(logged).toContainEqual([7, 'delivered', 2, 204])
  })

  test('keeps at most about a thousand events that failed, the newest', () => {
    const hook = new TestWebhook({ ordered: false, parallel: 2000 })
    const events = Array.from({ length: 1300 }, (_, n) => event(n + 1, null))
    for (const some of [events.slice(0, 700), events.slice(700)]) {
      hook.consumer.take(some, 1, 0)
      hook.post(0, () => 500)
    }
    const offsetsLogged = hook.log.deliveries(1e9, 5000, undefined, 1).map(({ offset }) => offset)
    expect(offsetsLogged.length).toBeLessThanOrEqual(1100)
    expect(offsetsLogged[0]).toBe(1300)
    expect(offsetsLogged.at(-1)).toBe(1300 - offsetsLogged.length + 1)
  })
})

describe('a consumer of a webhook', () => {
  test('without order hands out all events of a key at once, with order one after the other', () => {
    const all = [event(1, 'a'), event(2, 'a'), event(3, 'b')]
    const loose = new TestWebhook({ ordered: false })
    loose.consumer.take(all, 1, 0)
    expect(offsets(loose.consumer.handOut(0, 10))).toEqual([1, 2, 3])
    const strict = new TestWebhook({ ordered: true })
    strict.consumer.take(all, 1, 0)
    expect(offsets(strict.consumer.handOut(0, 10))).toEqual([1, 3])
  })

  test('hands settled events out again in the order of each key, and those that wait at once', () => {
    const { consumer } = new TestWebhook({ ordered: true })
    const all = [event(1, 'a'), event(2, 'a'), event(3, 'b')]
    consumer.take(all, 1, 0)
    for (let n = 0; n < 2; n++)
      consumer.settle(
        consumer.handOut(0, 10).map((delivery) => ({ delivery, outcome: { kind: 'done' } })),
        0,
      )
    expect(consumer.position.settled).toBe(3)
    consumer.handOutAgain(all.toReversed(), 5)
    const first = consumer.handOut(5, 10)
    expect(offsets(first)).toEqual([1, 3])
    consumer.settle(
      first.map((delivery) => ({ delivery, outcome: { kind: 'retry', reason: 'no' } })),
      5,
    )
    expect(consumer.handOut(5, 10)).toEqual([])
    consumer.handOutAgain(all.slice(0, 1), 6)
    expect(offsets(consumer.handOut(6, 10))).toEqual([1])
  })

  test('gets the pings with its name and no others', () => {
    const matches = matcherOf({ ...rules, types: ['member.'], webhook: { name: 'crm' } })
    const ping = (subject: string) => event(1, null, { type: 'webhook.ping', attributes: { subject } })
    expect([matches(ping('crm')), matches(ping('other')), matches(event(1, 'a'))]).toEqual([true, false, false])
  })
})
