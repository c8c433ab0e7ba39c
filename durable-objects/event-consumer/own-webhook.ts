import { z } from 'zod'
import { eventFigures } from '../../src/event-log/event-figures.ts'
import type { Consumer } from '../../src/event-log/consumers/consumer.ts'
import { matcherOf } from '../../src/event-log/consumers/filter.ts'
import type { EventPage } from '../../src/event-log/consumers/pusher.ts'
import { storedSpec } from '../../src/event-log/consumers/spec.ts'
import type { Health } from '../../src/event-log/webhooks/health.ts'
import { replayShape, type Replay } from '../../src/event-log/webhooks/replay.ts'
import { Webhook } from '../../src/event-log/webhooks/webhook.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import { ownEventTypes } from '../../src/events/own-topic.ts'
import { log } from '../../src/kernel/log.ts'
import type { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'
import { SqlWebhookStore } from './sql-webhook-store.ts'

/** Replays of one webhook that are under way at once. */
export const maxReplays = 10
/** Rows of events that wait, up to which a replay adds further ones. */
const maxReplayed = 1000
const pageSize = 200

const storedReplays = z.array(replayShape)

/** What a consumer has in addition when it is that of a webhook. */
export class OwnWebhook {
  readonly rules: Webhook
  readonly log: SqlWebhookStore
  readonly #tenant: string
  readonly #settings: Settings
  readonly #consumer: Consumer
  #isReplaying = false

  constructor(tenant: string, sql: Sql, settings: Settings, consumer: Consumer) {
    this.#tenant = tenant
    this.#settings = settings
    this.#consumer = consumer
    this.log = new SqlWebhookStore(sql, settings)
    this.rules = new Webhook(this.log, {
      recovered: (now) => this.#consumer.retrySoon(now),
      disabled: (health) => this.#noteDisabled(health),
    })
  }

  replays(): readonly Replay[] {
    return storedReplays.parse(JSON.parse(this.#settings.get('replays') ?? '[]'))
  }

  get hasReplays(): boolean {
    return (this.#settings.get('replays') ?? '[]') !== '[]'
  }

  /** False when there are too many. */
  addReplay(replay: Replay): boolean {
    const replays = this.replays()
    if (replays.length >= maxReplays) return false
    this.#settings.set('replays', JSON.stringify([...replays, replay]))
    return true
  }

  /** Adds events of the oldest replay to those that wait, while there is room. Returns how many it added. */
  async goOn(
    read: (after: number, limit: number) => Promise<EventPage>,
    commit: (change: () => void) => void,
    now: () => number,
  ): Promise<number> {
    if (this.#isReplaying) return 0
    this.#isReplaying = true
    let added = 0
    try {
      while (this.#consumer.figures.retrying < maxReplayed) {
        const [replay] = this.replays()
        if (replay === undefined) break
        const page = await read(replay.after, pageSize)
        const inRange = page.events.filter(({ offset }) => offset <= replay.upTo)
        const matches = matcherOf(this.#spec())
        const isAsked = (type: string) =>
          replay.types.length === 0 || replay.types.some((given) => type.startsWith(given))
        const wanted = inRange.filter(
          (event) => event.type !== ownEventTypes.ping && isAsked(event.type) && matches(event) === true,
        )
        const after = inRange.at(-1)?.offset ?? replay.upTo
        const isOver = after >= replay.upTo || page.events.length === 0
        commit(() => {
          this.#consumer.handOutAgain(wanted, now())
          const [, ...later] = this.replays()
          this.#settings.set('replays', JSON.stringify(isOver ? later : [{ ...replay, after }, ...later]))
        })
        added += wanted.length
      }
    } finally {
      this.#isReplaying = false
    }
    return added
  }

  /** The event that says that the endpoint was disabled; undefined when there is nothing to say. */
  notice(): NewEvent | undefined {
    const text = this.#settings.get('notice') ?? ''
    if (text === '') return undefined
    const { since, reason }: Health = JSON.parse(text)
    const { webhook, push } = this.#spec()
    const name = webhook?.name ?? ''
    return {
      source: `/webhooks/${name}`,
      id: String(since),
      type: ownEventTypes.disabled,
      key: null,
      version: 1,
      data: JSON.stringify({ webhook: name, url: push?.url ?? '', at: since, reason }),
      attributes: { time: new Date(since).toISOString(), subject: name },
    }
  }

  noticed(): void {
    this.#settings.set('notice', '')
  }

  #spec() {
    return storedSpec.parse(JSON.parse(this.#settings.get('spec') ?? '{}'))
  }

  #noteDisabled(health: Health): void {
    this.#settings.set('notice', JSON.stringify(health))
    eventFigures.webhooksDisabled++
    const { webhook } = this.#spec()
    log.error('webhook.disabled', { tenant: this.#tenant, webhook: webhook?.name ?? '', reason: health.reason ?? '' })
  }
}
