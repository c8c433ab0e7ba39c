import type {
  Category,
  Channel,
  DeliveryOrder,
  DeliveryOutcome,
  DeliveryReport,
  DeliveryState,
  NotificationSpec,
  Preferences,
  Priority,
  ProviderState,
  Target,
  TrackedAct,
  Tracking,
  Workflow,
} from '../src/notifications/model.ts'
import type {
  Partials,
  RenderedContent,
  StoredTemplate,
  TemplateDefinition,
} from '../src/notifications/templates/template.ts'
import type { StoredFilter } from '../src/notifications/channels/address-filter.ts'
import type { FeedCounts } from '../src/notifications/feed/marks.ts'
import type { WorkflowFigures } from '../src/notifications/metrics.ts'
import type { FetchOutcome } from '../src/notifications/runs/advance.ts'
import type { Run, RunOutcome } from '../src/notifications/runs/run.ts'
import type { SwitchChange } from '../src/notifications/preferences/effective.ts'
import type { ProfileInput, StoredUser } from '../src/notifications/users/profile.ts'
import type { ChatNoticeKind, ChatNotifications } from '../src/protocol/chat-notifications-api.ts'
import type { FeedFilter } from '../src/protocol/feed-api.ts'
import type { Mark } from '../src/protocol/feed-marks.ts'
import type { Refusal } from '../src/protocol/errors.ts'
import type { Appearance } from '../src/protocol/preferences-api.ts'
import type { ExportedPart } from '../src/tenants/export-page.ts'
import type { ErasableRpc, FetchCall } from './contracts.ts'

/** The methods of the actors of notifications, and the types they exchange; docs/design/notifications.md says what each holds. */

/** A version of a workflow with the time of its registration. */
export interface StoredWorkflow {
  readonly kind: 'stored'
  readonly workflow: Workflow
  readonly createdAt: number
}

/** The version of a workflow that was registered. */
export interface WorkflowReceipt {
  readonly kind: 'registered'
  readonly version: number
}

/** What is the same for all notifications of a tenant. */
export interface NotificationSettings {
  /** The tenant's layer of preferences; recipients' own come before it. */
  readonly preferences: Preferences
  /** The IANA zone of users without one. */
  readonly zone: string
  /** For how long notices are kept, in milliseconds. */
  readonly keepMs: number
  /** How the hosted page of preferences looks. */
  readonly appearance?: Appearance | undefined
  /** What is tracked of e-mails; nothing without it. */
  readonly tracking?: Tracking | undefined
  /** What conversations notify of; nothing without it. */
  readonly chat?: ChatNotifications | undefined
}

/** What a user's preferences are based on. */
export interface PreferenceBasis {
  readonly settings: NotificationSettings
  readonly categories: readonly Category[]
  readonly workflows: readonly string[]
}

/** What a trigger needs of the catalog, read in one call. */
export interface ResolvedWorkflow {
  readonly workflow: Workflow | undefined
  readonly category: Category | undefined
  readonly keepMs: number
}

/** What decisions about recipients need of the catalog, beside the notification itself. */
export interface DecisionSettings extends NotificationSettings {
  /** Providers of each channel in the tenant's order. */
  readonly providers: Readonly<Partial<Record<Channel, readonly ProviderState[]>>>
  /** Whether the tenant has a reader of its own events. A catalog of the version before does not say it. */
  readonly isPublished?: boolean
}

/** A template with the partials that it uses. */
export interface FoundTemplate {
  readonly template: StoredTemplate
  readonly partials: Partials
}

export interface ListedTemplate {
  readonly name: string
  readonly version: number
  readonly kind: TemplateDefinition['kind']
}

/** A provider of a channel. */
export interface StoredProvider {
  readonly name: string
  readonly channel: Channel
  /** `resend`, `twilio` …; src/notifications/channels/provider-types.ts has them. */
  readonly type: string
  /** The lowest of a channel is used first. */
  readonly order: number
  readonly from?: string | undefined
  readonly onUnknown: 'wait' | 'failover'
  /** Encrypted. */
  readonly credentials?: string | undefined
  /** The host that is called for all messages, with the port of one that is not 443. */
  readonly host?: string | undefined
  /** Stands in the address to which the provider reports bounces. */
  readonly eventsToken: string
}

/** An address to which nothing is sent any more, and why. */
export interface UndeliverableAddress {
  readonly address: string
  readonly reason: 'bounce' | 'complaint' | 'unsubscribed'
  readonly provider: string
  readonly at: number
  readonly detail: string
}

/** What a provider reports of a delivery. */
export interface ReportOfDelivery extends DeliveryReport {
  readonly delivery: string
}

/** What one delivery needs of the catalog, read in one call. */
export interface DeliveryPlan {
  readonly provider: StoredProvider | undefined
  readonly found: FoundTemplate | undefined
  /** Signs links to the recipient's own preferences, and tracked ones. */
  readonly linkSecret: string
  readonly tracking?: Tracking | undefined
}

/** A message of a development system, kept instead of being sent. */
export interface SentMessage {
  readonly n: number
  readonly at: number
  readonly delivery: string
  readonly channel: Channel
  readonly provider: string
  readonly workflow: string
  readonly user: string
  readonly to: string
  readonly locale: string | null
  readonly content: RenderedContent
}

export interface NotificationCatalogRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  putWorkflow(name: string, definition: Omit<Workflow, 'name' | 'version'>): WorkflowReceipt | Refusal
  /** JSON text of a StoredWorkflow. */
  workflow(name: string, version?: number): string | undefined
  workflows(after: string, limit: number): { readonly name: string; readonly version: number }[]
  removeWorkflow(name: string): boolean
  putCategory(category: Category): Category | Refusal
  category(name: string): Category | undefined
  categories(): Category[]
  removeCategory(name: string): boolean
  /** JSON text of a ResolvedWorkflow. */
  resolve(workflow: string | undefined, version: number | undefined, category: string | undefined): string
  settings(): NotificationSettings
  decisionSettings(): DecisionSettings
  setPublished(isPublished: boolean): void
  /** Secrets that sign the calls of fetch steps, the newest first. */
  secrets(): string[]
  putSettings(change: Partial<NotificationSettings>): NotificationSettings
  preferenceBasis(workflows: readonly string[]): PreferenceBasis
  linkSecret(): string
  trackingKey(): { readonly linkSecret: string; readonly tracking?: Tracking | undefined }
  putTopic(name: string): { readonly kind: 'topic'; readonly topic: number; readonly isNew: boolean } | Refusal
  topic(name: string): number | undefined
  topics(after: string, limit: number): string[]
  removeTopic(name: string): void
  topicNames(topics: readonly number[]): string[]
  /** `uses` are the partials of the definition. */
  putTemplate(
    name: string,
    definition: TemplateDefinition,
    uses: readonly string[],
  ): { readonly kind: 'stored'; readonly version: number } | Refusal
  template(name: string, version?: number): FoundTemplate | undefined
  templates(after: string, limit: number): ListedTemplate[]
  partials(names: readonly string[]): Partials
  removeTemplate(name: string): boolean | Refusal
  putProvider(given: StoredProvider): StoredProvider | Refusal
  provider(name: string): StoredProvider | undefined
  /** In the order in which they are used; a development system has some of its own for channels without any. */
  providers(): StoredProvider[]
  removeProvider(name: string): boolean
  deliveryPlan(provider: string, template: string | undefined, version: number | undefined): DeliveryPlan
  undeliverable(address: string): UndeliverableAddress | undefined
  undeliverableFilter(version: string | undefined): StoredFilter
  /** Notes what a provider reports; undefined when the token is not the provider's. */
  markUndeliverable(provider: string, token: string, reports: readonly UndeliverableAddress[]): number | undefined
  unmarkUndeliverable(address: string): boolean
  keepSent(message: Omit<SentMessage, 'n'>): void
  sent(): SentMessage[]
  sentMessage(n: number): SentMessage | undefined
}

/** What members of a conversation are notified of; the actor with these users makes the notification of it. */
export interface ChatNotice {
  /** The id of the notification, the same however often it is handed over. */
  readonly id: string
  readonly kind: ChatNoticeKind
  /** The entry that causes it, and when it was written. */
  readonly seq: number
  readonly at: number
  /** Empty for the tenant's server. */
  readonly author: string
  readonly text: string
  readonly users: readonly string[]
}

/** What one run of a conversation tells one actor of recipients. */
export interface ChatNoticesCall {
  readonly conversation: { readonly id: string; readonly epoch: string; readonly type: string; readonly name: string }
  readonly notices: readonly ChatNotice[]
}

/** A recipient of a notification; a profile replaces what the user's has of the same fields. */
export interface NamedRecipient {
  readonly user: string
  readonly profile?: ProfileInput | undefined
}

/** Who is notified. A topic and all users are expanded by the actors that have them. */
export type RecipientSelection =
  | { readonly kind: 'users'; readonly users: readonly NamedRecipient[] }
  /** By the number that the catalog gave the topic. */
  | { readonly kind: 'topic'; readonly topic: number }
  | { readonly kind: 'everyone' }

/** A recipient that the notification does not go to, with the reason; `index` counts in the request from 0. */
export interface RefusedRecipient {
  readonly index: number
  readonly reason: string
}

export interface NewNotification {
  readonly spec: NotificationSpec
  readonly selection: RecipientSelection
  readonly refused: readonly RefusedRecipient[]
  /** When recipients are called; `spec.at` at the earliest. */
  readonly deliverAt: number
  readonly keepMs: number
  /** Of the request: the same idempotency key with another request is a conflict. */
  readonly fingerprint: string
}

export type NotificationState = 'scheduled' | 'sending' | 'sent' | 'canceled'

export interface NotificationView {
  readonly kind: 'notification'
  readonly id: string
  readonly at: number
  readonly deliverAt: number
  readonly state: NotificationState
  readonly workflow: string
  readonly version: number
  readonly category: string | null
  readonly actor: string | null
  readonly priority: Priority
  readonly cancellationKey: string | null
  readonly selection: RecipientSelection['kind']
  /** Users named in the request; null where a selection is expanded. */
  readonly recipients: number | null
  /** Users that have been handed over so far. */
  readonly handedOut: number
  readonly refused: number
  /** The first of them. */
  readonly refusedRecipients: readonly RefusedRecipient[]
}

export interface NotificationQuery {
  readonly workflow?: string | undefined
  readonly before: { readonly at: number; readonly id: string }
  readonly limit: number
}

export interface NotificationPage {
  readonly notifications: NotificationView[]
  /** Where the next page begins; undefined at the end. */
  readonly last: { readonly at: number; readonly id: string } | undefined
}

export interface NotificationsRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  accept(wanted: NewNotification): Promise<(NotificationView & { readonly duplicate: boolean }) | Refusal>
  find(id: string): NotificationView | undefined
  list(query: NotificationQuery): NotificationPage
  /** Cancels notifications with this key, for these users or for all; answers their ids. */
  cancel(key: string, users: readonly string[] | undefined): string[]
}

/** A part of a notification's recipients, at most 500 of one actor. */
export interface HandoverCall {
  readonly spec: NotificationSpec
  readonly keepMs: number
  readonly part:
    | { readonly kind: 'users'; readonly users: readonly NamedRecipient[] }
    | { readonly kind: 'topic'; readonly topic: number; readonly after: string }
    | { readonly kind: 'everyone'; readonly after: string }
}

/**
 * `next` is where the following page of a topic or of all users begins; null at its end. `busy`: nothing was taken, since too much waits to be
 * sent there.
 */
export type HandoverAnswer =
  | { readonly kind: 'taken'; readonly users: number; readonly next: string | null }
  | { readonly kind: 'busy'; readonly retryInMs: number }

/** A recipient that blocks the author of a message, and was therefore not notified of it. */
export interface BlockedAuthor {
  readonly user: string
  readonly author: string
}

export type ChatNoticesAnswer =
  | { readonly kind: 'taken'; readonly blocked?: readonly BlockedAuthor[] }
  | { readonly kind: 'busy'; readonly retryInMs: number }

export interface NoticeSummary {
  readonly user: string
  /** How the steps of the run ended; `running` before. */
  readonly state: RunOutcome | 'running'
  readonly deliveries: readonly { readonly channel: Channel; readonly state: DeliveryState }[]
}

export interface NoticeView {
  readonly run: Run
  readonly spec: Pick<NotificationSpec, 'id' | 'at' | 'actor' | 'priority'>
  /** 0 unless the notification was canceled for all. */
  readonly canceledAt: number
  readonly state: { readonly isSeen: boolean; readonly isRead: boolean; readonly isInteracted: boolean }
  readonly item: string | null
}

export interface CancelCall {
  readonly spec: NotificationSpec
  readonly keepMs: number
  readonly users: readonly string[] | undefined
}

/** JSON text of a user. */
export interface StoredProfile {
  readonly kind: 'profile'
  readonly json: string
}

/** Which page of a feed; `cursor` is a number of an item. */
export interface FeedPageCall {
  readonly filter: FeedFilter
  readonly category?: string | undefined
  readonly cursor?: number | undefined
  readonly limit: number
}

/** Items of a feed by their numbers, or all of it up to the number `upTo`. */
export interface MarkCall {
  readonly feed: string
  readonly mark: Mark
  readonly numbers: readonly number[] | undefined
  readonly upTo: number | undefined
}

/** Ids of items that changed, and the counts of their feed. */
export interface MarkedItems {
  readonly kind: 'marked'
  readonly items: readonly string[]
  readonly counts: FeedCounts
}

export interface RecipientsRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  /** Decides for users of this actor in one commit; a repeat changes nothing. */
  handOver(call: HandoverCall): Promise<HandoverAnswer>
  /** Decides for members of a conversation as `handOver` does; a repeat changes nothing. `busy`: nothing or a part was taken. */
  chatNotices(call: ChatNoticesCall): Promise<ChatNoticesAnswer>
  setBlocked(user: string, blocked: string, isBlocked: boolean): void
  forgetBlocked(erased: string): number
  /** Nothing more of this notification is sent to these users or to all, also where they have not been handed over yet. */
  cancel(call: CancelCall): Promise<void>
  /** Gives an event to the runs of this actor that wait for it; answers how many did. */
  eventArrived(event: string, correlation: string, data: string): Promise<number>
  /** The whole life of one recipient of a notification: JSON text of a NoticeView. */
  explain(notification: string, user: string): string | undefined
  /** A user's profile and own preferences, also of one of whom nothing is stored: JSON text of `{profile, preferences}`. */
  recipient(user: string): string
  /** A page of a notification's recipients in this actor; `next` is null at its end. */
  recipients(notification: string, page: number): { readonly recipients: NoticeSummary[]; readonly next: number | null }
  /** Notes reports about deliveries of this actor's users; answers how many were new. */
  reportsArrived(reports: readonly ReportOfDelivery[]): Promise<number>
  /** Notes what the recipient of a delivery did with it; answers whether it was the first time. */
  tracked(delivery: string, act: TrackedAct): Promise<boolean>
  /** Figures of this actor's runs by workflow. */
  figures(): Record<string, WorkflowFigures>
  /** Deletes everything of a user; returns how many rows that were. */
  eraseUser(user: string): number
  exportUser(user: string, cursor: string, limit: number): ExportedPart
  exportUsers(cursor: string, limit: number): ExportedPart
  topicsOf(user: string): number[]
  restoreUsers(users: readonly StoredUser[]): number
  putUser(user: string, given: ProfileInput): StoredProfile & { readonly isNew: boolean }
  putUsers(users: readonly { readonly id: string; readonly given: ProfileInput }[]): void
  patchUser(user: string, given: ProfileInput): StoredProfile | Refusal
  user(user: string): string | undefined
  users(after: string, limit: number): { readonly users: readonly string[]; readonly last: string }
  usersById(ids: readonly string[], isPublic: boolean): string[]
  putTarget(user: string, target: Target): { readonly kind: 'put' } | Refusal
  removeTarget(user: string, target: string): boolean
  preferences(user: string): { readonly preferences: Preferences; readonly zone: string | undefined }
  putPreferences(user: string, preferences: Preferences): void
  switchPreferences(user: string, changes: readonly SwitchChange[]): void
  feed(user: string, feed: string, page: FeedPageCall): string
  feedCounts(user: string): Record<string, FeedCounts>
  markFeed(user: string, call: MarkCall): MarkedItems | Refusal
  subscribe(topic: number, users: readonly string[]): number
  unsubscribe(topic: number, users: readonly string[]): number
  subscribers(topic: number, after: string, limit: number): string[]
  subscriberCount(topic: number): number
  removeTopic(topic: number): void
}

/** How the actors of notifications have Workers send; the context in a Worker of its own has the same. */
export interface NotificationSender {
  deliver(order: DeliveryOrder): Promise<DeliveryOutcome>
  call(tenant: string, call: FetchCall): Promise<FetchOutcome>
}
