import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { loadConfig } from '../../src/config.ts'
import type { AddressFilter, StoredFilter } from '../../src/notifications/channels/address-filter.ts'
import { builtInCategory, builtInWorkflow } from '../../src/notifications/chat/built-in.ts'
import { outsideChannels } from '../../src/notifications/channels/provider-types.ts'
import type { Category, Tracking, Workflow } from '../../src/notifications/model.ts'
import type { Partials, TemplateDefinition } from '../../src/notifications/templates/template.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { SigningSecrets } from '../../src/webhooks/endpoint-post.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type {
  DecisionSettings,
  DeliveryPlan,
  FoundTemplate,
  ListedTemplate,
  NotificationCatalogRpc,
  NotificationSettings,
  PreferenceBasis,
  ResolvedWorkflow,
  SentMessage,
  StoredProvider,
  StoredWorkflow,
  UndeliverableAddress,
  WorkflowReceipt,
} from '../notification-contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { parseStored } from '../shared/parse-stored.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { notificationCatalogSchema } from './schema.ts'
import { outboxProviders, ProviderTable, statesOf } from './provider-table.ts'
import { SentTable } from './sent-table.ts'
import { TemplateTable } from './template-table.ts'
import { WorkflowTable } from './workflow-table.ts'

export const maxCategories = 200
export const maxTopics = 10_000
const dayMs = 86_400_000
const defaultSettings: NotificationSettings = { preferences: {}, zone: 'UTC', keepMs: 30 * dayMs }

/** What a tenant defines for its notifications: workflows, categories, templates, providers and settings. */
export class NotificationCatalog extends TenantActor implements NotificationCatalogRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'notifications')
  readonly #sql = this.ctx.storage.sql
  readonly #secrets = new SigningSecrets(this.ctx.storage.kv)
  readonly #workflows = new WorkflowTable(this.#sql)
  readonly #templates = new TemplateTable(this.#sql)
  readonly #providers = new ProviderTable(this.#sql)
  readonly #sent = new SentTable(this.#sql)
  #exists = isUsed(this.#sql)
  /** Of the addresses that are undeliverable, in memory only; also of some that were unmarked since. */
  #filter: { readonly filter: AddressFilter; count: number; version: string } | undefined

  constructor(...given: ConstructorParameters<typeof TenantActor>) {
    super(...given)
    if (this.#exists) migrate(this.#sql, notificationCatalogSchema)
  }

  putWorkflow(name: string, definition: Omit<Workflow, 'name' | 'version'>): WorkflowReceipt | Refusal {
    this.#create()
    if (definition.category !== undefined && this.category(definition.category) === undefined)
      return refuse('invalidPayload', noCategory(definition.category))
    const stored = this.#workflows.put(name, definition, this.#clock.now())
    return stored.kind === 'refused' ? stored : { kind: 'registered', version: stored.workflow.version }
  }

  workflow(name: string, version?: number): string | undefined {
    const known = this.#exists ? this.#workflows.find(name, version) : undefined
    const builtIn = version === undefined ? builtInWorkflow(name) : undefined
    const stored: StoredWorkflow | undefined =
      known ?? (builtIn === undefined ? undefined : { kind: 'stored', workflow: builtIn, createdAt: 0 })
    return stored === undefined ? undefined : JSON.stringify(stored)
  }

  workflows(after: string, limit: number): { readonly name: string; readonly version: number }[] {
    return this.#exists ? this.#workflows.list(after, limit) : []
  }

  removeWorkflow(name: string): boolean {
    return this.#exists && this.#workflows.remove(name)
  }

  putCategory(category: Category): Category | Refusal {
    this.#create()
    if (this.category(category.name) === undefined && this.categories().length >= maxCategories)
      return refuse('limitExceeded', `categories: at most ${maxCategories}; delete one first`)
    this.#sql.exec('INSERT OR REPLACE INTO categories VALUES (?, ?)', category.name, JSON.stringify(category))
    return category
  }

  category(name: string): Category | undefined {
    const [row] = this.#exists
      ? this.#sql.exec<{ text: string }>('SELECT text FROM categories WHERE name = ?', name).toArray()
      : []
    if (row !== undefined) return categoryIn(row.text)
    return name === builtInCategory.name ? builtInCategory : undefined
  }

  /** That of chat is among them while conversations notify. */
  categories(): Category[] {
    const rows = this.#exists
      ? this.#sql.exec<{ text: string }>('SELECT text FROM categories ORDER BY name').toArray()
      : []
    const own = rows.map(({ text }) => categoryIn(text))
    const isShown = this.settings().chat?.enabled === true && !own.some(({ name }) => name === builtInCategory.name)
    return isShown ? [builtInCategory, ...own] : own
  }

  removeCategory(name: string): boolean {
    return this.#exists && this.#sql.exec('DELETE FROM categories WHERE name = ?', name).rowsWritten > 0
  }

  /** The workflow and category of a trigger; of a workflow its own category unless another is named. */
  resolve(workflow: string | undefined, version: number | undefined, category: string | undefined): string {
    const text = workflow === undefined ? undefined : this.workflow(workflow, version)
    const found = text === undefined ? undefined : workflowIn(text)
    const named = category ?? found?.category
    const { keepMs } = this.settings()
    const answer: ResolvedWorkflow = {
      workflow: found,
      category: named === undefined ? undefined : this.category(named),
      keepMs,
    }
    return JSON.stringify(answer)
  }

  settings(): NotificationSettings {
    return { ...defaultSettings, ...this.ctx.storage.kv.get<Partial<NotificationSettings>>('settings') }
  }

  /** What decisions about recipients need, in one call. */
  decisionSettings(): DecisionSettings {
    const known = this.providers()
    const providers = Object.fromEntries(outsideChannels.map((channel) => [channel, statesOf(known, channel)]))
    return { ...this.settings(), providers, isPublished: this.ctx.storage.kv.get('published') === true }
  }

  /** The tenant has a reader of its own events, or no more. Recipients hear of it with the settings. */
  setPublished(isPublished: boolean): void {
    if (isPublished) {
      requireTenant(ownName(this.ctx.id.name).tenant)
      this.ctx.storage.kv.put('published', true)
    } else this.ctx.storage.kv.delete('published')
  }

  putSettings(change: Partial<NotificationSettings>): NotificationSettings {
    this.#create()
    const settings = { ...this.settings(), ...change }
    this.ctx.storage.kv.put('settings', settings)
    return settings
  }

  secrets(): string[] {
    return this.#secrets.current(this.#clock.now())
  }

  /** What a user's preferences are based on; of `workflows` those that there are. */
  preferenceBasis(workflows: readonly string[]): PreferenceBasis {
    const known = workflows.filter((name) => this.workflow(name) !== undefined)
    return { settings: this.settings(), categories: this.categories(), workflows: known }
  }

  /** The secret that signs links for users to settings of their own. It is never rotated: links in old mails have to go on working. */
  linkSecret(): string {
    const known = this.ctx.storage.kv.get<string>('linkSecret')
    if (known !== undefined) return known
    this.#create()
    const secret = randomToken(43)
    this.ctx.storage.kv.put('linkSecret', secret)
    return secret
  }

  /** What a tracked link is checked by, and whether it is counted. */
  trackingKey(): { readonly linkSecret: string; readonly tracking?: Tracking | undefined } {
    return { linkSecret: this.linkSecret(), tracking: this.settings().tracking }
  }

  /** Gives a topic its number; a repeat finds it. */
  putTopic(name: string): { readonly kind: 'topic'; readonly topic: number; readonly isNew: boolean } | Refusal {
    this.#create()
    const known = this.topic(name)
    if (known !== undefined) return { kind: 'topic', topic: known, isNew: false }
    const { n } = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM topics').one()
    if (n >= maxTopics) return refuse('limitExceeded', `topics: at most ${maxTopics}; delete one first`)
    const topic = (this.ctx.storage.kv.get<number>('lastTopic') ?? 0) + 1
    this.ctx.storage.kv.put('lastTopic', topic)
    this.#sql.exec('INSERT INTO topics VALUES (?, ?)', name, topic)
    return { kind: 'topic', topic, isNew: true }
  }

  topic(name: string): number | undefined {
    if (!this.#exists) return undefined
    return this.#sql.exec<{ topic: number }>('SELECT topic FROM topics WHERE name = ?', name).toArray()[0]?.topic
  }

  /** Names after `after` in their order. */
  topics(after: string, limit: number): string[] {
    if (!this.#exists) return []
    const sql = 'SELECT name FROM topics WHERE name > ? ORDER BY name LIMIT ?'
    return [...this.#sql.exec<{ name: string }>(sql, after, limit)].map(({ name }) => name)
  }

  /** The names of topics by their numbers, in order; those of deleted ones are left out. */
  topicNames(topics: readonly number[]): string[] {
    if (!this.#exists || topics.length === 0) return []
    const sql = 'SELECT name FROM topics WHERE topic IN (SELECT value FROM json_each(?)) ORDER BY name'
    return [...this.#sql.exec<{ name: string }>(sql, JSON.stringify(topics))].map(({ name }) => name)
  }

  /** The number is not given again, so that subscribers of the topic are never those of a later one. */
  removeTopic(name: string): void {
    if (this.#exists) this.#sql.exec('DELETE FROM topics WHERE name = ?', name)
  }

  putTemplate(
    name: string,
    definition: TemplateDefinition,
    uses: readonly string[],
  ): { readonly kind: 'stored'; readonly version: number } | Refusal {
    this.#create()
    return this.#templates.put(name, definition, uses, this.#clock.now())
  }

  template(name: string, version?: number): FoundTemplate | undefined {
    return this.#exists ? this.#templates.find(name, version) : undefined
  }

  templates(after: string, limit: number): ListedTemplate[] {
    return this.#exists ? this.#templates.list(after, limit) : []
  }

  partials(names: readonly string[]): Partials {
    return this.#exists ? this.#templates.partials(names) : {}
  }

  removeTemplate(name: string): boolean | Refusal {
    return this.#exists && this.#templates.remove(name)
  }

  putProvider(given: StoredProvider): StoredProvider | Refusal {
    this.#create()
    return this.#providers.put(given)
  }

  provider(name: string): StoredProvider | undefined {
    return this.providers().find((provider) => provider.name === name)
  }

  /** In the order in which they are used; a development system has some of its own for channels without any. */
  providers(): StoredProvider[] {
    const own = this.#exists ? this.#providers.list() : []
    const isLocal = loadConfig(this.env).localTenant === ownName(this.ctx.id.name).tenant
    return isLocal ? [...own, ...outboxProviders(own)] : own
  }

  removeProvider(name: string): boolean {
    return this.#exists && this.#providers.remove(name)
  }

  deliveryPlan(provider: string, template: string | undefined, version: number | undefined): DeliveryPlan {
    const found = template === undefined ? undefined : this.template(template, version)
    const known = this.provider(provider)
    const { tracking } = this.settings()
    return { provider: known, found, linkSecret: known === undefined ? '' : this.linkSecret(), tracking }
  }

  undeliverable(address: string): UndeliverableAddress | undefined {
    return this.#exists ? this.#providers.undeliverable(address) : undefined
  }

  /** The filter by which a delivery sees whether it has to ask for its address. */
  undeliverableFilter(version: string | undefined): StoredFilter {
    if (!this.#exists) return { version: 'none', bits: new Uint8Array() }
    this.#filter ??= { ...this.#providers.filter(), version: randomToken(12) }
    const { filter, version: own } = this.#filter
    return version === own ? { version: own } : { version: own, bits: filter.bits }
  }

  /** Notes what a provider reports; undefined when the token is not the provider's. */
  markUndeliverable(provider: string, token: string, reports: readonly UndeliverableAddress[]): number | undefined {
    const known = this.#exists ? this.#providers.find(provider) : undefined
    if (known?.eventsToken !== token) return undefined
    const marked = this.#providers.mark(reports)
    this.#addToFilter(reports)
    return marked
  }

  #addToFilter(reports: readonly UndeliverableAddress[]): void {
    if (this.#filter === undefined) return
    this.#filter.count += reports.length
    this.#filter.version = randomToken(12)
    for (const { address } of reports) this.#filter.filter.add(address)
    if (this.#filter.count > this.#filter.filter.capacity) this.#filter = undefined
  }

  unmarkUndeliverable(address: string): boolean {
    return this.#exists && this.#providers.unmark(address)
  }

  /** Keeps a message of a development system instead of sending it. */
  keepSent(message: Omit<SentMessage, 'n'>): void {
    this.#create()
    this.#sent.keep(message)
  }

  sent(): SentMessage[] {
    return this.#exists ? this.#sent.list() : []
  }

  sentMessage(n: number): SentMessage | undefined {
    return this.#exists ? this.#sent.find(n) : undefined
  }

  /** Creates the tables, on the first write. */
  #create(): void {
    this.#place.used()
    if (this.#exists) return
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.#sql, notificationCatalogSchema)
    this.#exists = true
  }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this actor wrote it
const workflowIn = (text: string): Workflow => (JSON.parse(text) as StoredWorkflow).workflow

const noCategory = (name: string): string =>
  `category: there is no category ${name}; PUT /v1/notification-categories/${name} makes one`

const categoryIn = (text: string): Category => parseStored<Category>(text)
