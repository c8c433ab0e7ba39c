import { z } from 'zod'
import type { Env } from '../../src/env.ts'
import { randomToken } from '../../src/kernel/id.ts'
import type { PublicationVersion, TopicRules } from '../../src/protocol/stream.ts'
import type { LastVersion } from '../../src/topics/ports.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { topicSchema } from './schema.ts'
import { ownName } from '../address.ts'
import { Subscribers } from '../shared/subscribers.ts'
import { Settings } from '../shared/settings.ts'
import { StoredPublishKeys } from './publish-keys.ts'
import { StoredTopicLog } from './topic-log.ts'

const storedRules: z.ZodType<TopicRules> = z.object({
  version: z.number(),
  historySize: z.number(),
  historyTtlSeconds: z.number(),
  joinLeave: z.boolean(),
})

const storedVersion: z.ZodType<PublicationVersion> = z.object({ version: z.number(), epoch: z.string() })

/** Before the rules are known: nothing is kept. */
const noRules: TopicRules = { version: 0, historySize: 0, historyTtlSeconds: 1, joinLeave: false }

/** What a topic's store works with. `emptied` is called when the last subscriber is gone. */
export interface TopicContext {
  readonly ctx: DurableObjectState
  readonly env: Env
  readonly emptied: () => void
}

/** Everything a topic has on its disk: nothing until it has a subscriber or something to keep. */
export class TopicStore {
  readonly settings: Settings
  readonly log: StoredTopicLog
  readonly keys: StoredPublishKeys
  readonly subscribers: Subscribers
  readonly exist: boolean
  /** The epoch that is shown, and used once something is written, for as long as nothing is. */
  readonly #draftEpoch: string
  #rules: TopicRules

  private constructor({ ctx, env, emptied }: TopicContext, exist: boolean, rules?: TopicRules, epoch?: string) {
    const { sql } = ctx.storage
    const { tenant, name } = ownName(ctx.id.name)
    this.exist = exist
    this.#draftEpoch = epoch ?? randomToken(8)
    this.settings = new Settings(sql, exist)
    this.#rules = rules ?? readRules(this.settings.get('rules'))
    this.log = new StoredTopicLog(sql, this.settings, exist, () => this.#rules)
    this.keys = new StoredPublishKeys(sql, exist)
    this.subscribers = new Subscribers(env, sql, exist, { tenant, channel: name }, emptied)
  }

  static open(home: TopicContext): TopicStore {
    return new TopicStore(home, isUsed(home.ctx.storage.sql))
  }

  /** Makes the tables of a topic that has none, with the rules and the epoch that `empty` showed. */
  static create(home: TopicContext, empty: TopicStore): TopicStore {
    migrate(home.ctx.storage.sql, topicSchema)
    const store = new TopicStore(home, true, empty.#rules, empty.#draftEpoch)
    store.settings.set('epoch', store.#draftEpoch)
    store.settings.set('rules', JSON.stringify(store.#rules))
    return store
  }

  /** One setting, written with each publication that has a version. */
  readonly version: LastVersion = {
    get: () => {
      const text = this.settings.get('version')
      return text === undefined ? undefined : storedVersion.parse(JSON.parse(text))
    },
    set: ({ version, epoch }) => this.settings.set('version', JSON.stringify({ version, epoch })),
  }

  get rules(): TopicRules {
    return this.#rules
  }

  /** Rules as a caller knows them; ones older than ours change nothing. */
  learn(rules: TopicRules | undefined): void {
    if (rules === undefined || rules.version < this.#rules.version) return
    this.#rules = rules
    if (this.exist) this.settings.set('rules', JSON.stringify(rules))
  }

  /** The incarnation of the stream; "" where nothing is kept, since there is no position to recover from. */
  get epoch(): string {
    return this.#rules.historySize === 0 ? '' : (this.settings.get('epoch') ?? this.#draftEpoch)
  }
}

const readRules = (text: string | undefined): TopicRules =>
  text === undefined ? noRules : storedRules.parse(JSON.parse(text))
