import type { ChatNoticeKind } from '../protocol/chat-notifications-api.ts'

/** The types of notifications; docs/design/notifications.md says how they belong together. Times are in milliseconds since the epoch. */

export const channels = ['in-app', 'email', 'push', 'sms', 'chat', 'webhook'] as const
export type Channel = (typeof channels)[number]

export type Priority = 'low' | 'normal' | 'high'

/** What a channel's message says: a stored template, or the content itself. All texts of the content are Liquid templates. */
export type ContentSource =
  | { readonly template: string; readonly version?: number | undefined }
  | { readonly content: Content }

/** `title` is the subject of an e-mail. A field that a channel has no use for is ignored. */
export interface Content {
  readonly title?: string | undefined
  readonly body: string
  /** HTML of an e-mail; without it the body is sent as text only. */
  readonly html?: string | undefined
  /** Where a click leads. */
  readonly url?: string | undefined
  readonly actions?:
    | readonly { readonly id: string; readonly label: string; readonly url?: string | undefined }[]
    | undefined
}

/** A step of a workflow. Names are unique in it. `when` is a JMESPath condition; a step whose condition is false is skipped. */
export type WorkflowStep = StepKind & { readonly name: string; readonly when?: string | undefined }

export type StepKind =
  | ChannelStep
  | { readonly kind: 'delay'; readonly seconds: number }
  | DigestStep
  | { readonly kind: 'throttle'; readonly limit: number; readonly seconds: number; readonly key?: string | undefined }
  | WaitStep
  | {
      readonly kind: 'fetch'
      readonly url: string
      readonly body?: string | undefined
      readonly timeoutSeconds: number
    }
  | { readonly kind: 'branch'; readonly cases: readonly BranchCase[]; readonly otherwise: readonly WorkflowStep[] }
  /** `set` is a JMESPath expression that gives the custom properties to be changed. */
  | { readonly kind: 'update-user'; readonly set: string }

export interface ChannelStep {
  readonly kind: 'channel'
  readonly channel: Channel
  readonly source: ContentSource
  /** The feed of an in-app item; `default` without it. */
  readonly feed?: string | undefined
  /** What happens when it is not known whether a provider sent it: ask the same one again until it is known, or go to the next. */
  readonly onUnknown: 'wait' | 'failover'
  /** Not sent when the recipient has seen or read the notification in the app by then. */
  readonly unless?: 'seen' | 'read' | undefined
  /** Whether quiet hours and windows delay it; in-app items are never delayed. */
  readonly heedsQuietHours: boolean
  /** Whether the next step starts only when its deliveries have ended, so that conditions know what became of them. */
  readonly awaitsOutcome: boolean
}

export interface DigestStep {
  readonly kind: 'digest'
  /** A JMESPath expression; notifications with the same value are gathered. */
  readonly key?: string | undefined
  readonly window:
    | { readonly kind: 'fixed'; readonly seconds: number }
    | { readonly kind: 'sliding'; readonly seconds: number; readonly maxSeconds: number }
    /** Until this time of day, `HH:MM`, in the recipient's zone. */
    | { readonly kind: 'until'; readonly time: string; readonly weekdays?: readonly number[] | undefined }
}

export interface WaitStep {
  readonly kind: 'wait'
  readonly for: 'seen' | 'read' | 'interacted' | { readonly event: string; readonly correlation: string }
  readonly timeoutSeconds: number
}

export interface BranchCase {
  readonly when: string
  readonly steps: readonly WorkflowStep[]
}

export interface Workflow {
  readonly name: string
  readonly version: number
  readonly category?: string | undefined
  readonly priority: Priority
  /** JSON Schema of the data. */
  readonly schema?: unknown
  readonly steps: readonly WorkflowStep[]
}

/** A user as notifications see them. */
export interface Profile {
  readonly id: string
  readonly name?: string | undefined
  readonly avatar?: string | undefined
  readonly email?: string | undefined
  readonly phone?: string | undefined
  /** BCP 47. */
  readonly locale?: string | undefined
  /** IANA. */
  readonly zone?: string | undefined
  readonly properties: Readonly<Record<string, unknown>>
  /** Targets of push, chat and webhooks, e.g. Web Push subscriptions and tokens of devices. */
  readonly targets: readonly Target[]
}

/** Where a channel other than e-mail and SMS reaches a user. `address` is JSON of the channel's own shape. */
export interface Target {
  readonly id: string
  readonly channel: Channel
  /** `web-push`, `fcm`, `apns`, `slack`, `discord`, `webhook`. */
  readonly type: string
  readonly address: unknown
}

/** Allowed or not for each channel; `all` holds for channels that are not named. */
export type ChannelSwitches = Readonly<Partial<Record<Channel | 'all', boolean | undefined>>>

/** One layer of preferences: the platform's, a tenant's, or a recipient's. */
export interface Preferences {
  readonly channels?: ChannelSwitches | undefined
  readonly categories?: Readonly<Record<string, ChannelSwitches>> | undefined
  readonly workflows?: Readonly<Record<string, ChannelSwitches>> | undefined
  /** Nothing but mandatory categories until then. */
  readonly muteUntil?: number | undefined
  /** Conversations whose notifications the recipient does not want, with their end. */
  readonly mutedConversations?: Readonly<Record<string, number>> | undefined
  readonly quietHours?: QuietHours | undefined
  /** Deliveries outside the app are made only within these. */
  readonly windows?: readonly TimeRange[] | undefined
}

/** Times of day `HH:MM`; a range whose end is not after its start ends on the next day. ISO weekdays, 1 is Monday; of the day on which it starts. */
export interface TimeRange {
  readonly start: string
  readonly end: string
  readonly weekdays?: readonly number[] | undefined
}

export interface QuietHours {
  readonly ranges: readonly TimeRange[]
  /** Without it the zone of the profile, then that of the tenant. */
  readonly zone?: string | undefined
}

export interface Category {
  readonly name: string
  readonly label?: string | undefined
  /** Sent whatever the preferences say; quiet hours hold all the same unless the priority is high. */
  readonly isMandatory: boolean
  readonly defaults?: ChannelSwitches | undefined
}

/** A notification as it is handed to recipients: the same for all of them, stored once in each of their actors. */
export interface NotificationSpec {
  readonly id: string
  readonly at: number
  readonly workflow: Workflow
  readonly category?: Category | undefined
  readonly actor?: string | undefined
  /** The actor's name, avatar and properties as they were when the notification was triggered. */
  readonly actorProfile?: Partial<Profile> | undefined
  readonly conversation?: string | undefined
  readonly priority: Priority
  readonly data: unknown
  readonly cancellationKey?: string | undefined
  /** Of a notification that a conversation caused: what it is asked for at the moment of sending. */
  readonly chat?: ChatOrigin | undefined
}

/** The entry of a conversation that a notification is about. */
export interface ChatOrigin {
  readonly conversation: string
  readonly epoch: string
  readonly kind: ChatNoticeKind
  readonly seq: number
}

export type DeliveryState = 'waiting' | 'active' | 'delivered' | 'failed' | 'canceled' | 'skipped'

/** One message on one channel. */
export interface Delivery {
  /** Unique in the tenant, and the idempotency key at providers: `<run>/<step>[/<target>]`. */
  readonly id: string
  readonly step: string
  readonly channel: Channel
  readonly target?: string | undefined
  /** Whether it stands for more notifications than that of its run. */
  readonly isDigest: boolean
  state: DeliveryState
  /** When it goes on; of an active one, when its call is taken as lost. */
  dueAt: number
  /** When no further attempt is made; 0 before the first. */
  deadlineAt: number
  attempts: Attempt[]
  /** Attempts after which the recipient may have the message twice. */
  possibleDuplicates: number
  /** Why it failed or was not sent. */
  reason?: string | undefined
  /** What its provider reported after it had taken the message. */
  report?: DeliveryReport | undefined
  /** When the recipient first opened it, and first followed one of its links, where the tenant tracks that. */
  openedAt?: number | undefined
  clickedAt?: number | undefined
}

/** A bounce, a complaint or an unsubscription. */
export interface DeliveryReport {
  readonly provider: string
  readonly reason: 'bounce' | 'complaint' | 'unsubscribed'
  readonly at: number
  readonly detail: string
}

/** What is tracked of a tenant's e-mails. */
export interface Tracking {
  readonly opens: boolean
  readonly clicks: boolean
}

/** What a recipient did with an e-mail. */
export type TrackedAct = 'opened' | 'clicked'

export interface Attempt {
  readonly provider: string
  readonly at: number
  /** Absent while it is under way. */
  outcome?: DeliveryOutcome['kind'] | undefined
  answer?: string | undefined
  /** Before this time the provider is not asked again. */
  retryAt?: number | undefined
}

/** A provider of a channel as the next attempt sees it. The order of a list of them is the tenant's. */
export interface ProviderState {
  readonly name: string
  /** Whether it makes one message of several requests with one idempotency key. */
  readonly isIdempotent: boolean
  /** The types of targets it reaches; all without it, e.g. for e-mail. */
  readonly targetTypes?: readonly string[] | undefined
  /** What follows when it may have sent a message and did not say so, where the step waits. */
  readonly onUnknown?: ChannelStep['onUnknown'] | undefined
  /** Its breaker is open until then; 0 while it is healthy. */
  readonly openUntil: number
  /** The host that is called for all messages, whose breaker it shares; absent where the recipient's target names the host. */
  readonly host?: string | undefined
}

/**
 * What became of an attempt. `gone`: the address or subscription does not exist any more. `refused`: this message will never be taken by this
 * provider. `later`: nothing was sent. `unknown`: it may have been sent. `not-needed`: what it would say is over, e.g. was read.
 */
export type DeliveryOutcome =
  | { readonly kind: 'delivered'; readonly providerId?: string | undefined; readonly answer?: string | undefined }
  | { readonly kind: 'gone'; readonly answer: string }
  | { readonly kind: 'refused'; readonly answer: string }
  | { readonly kind: 'not-needed'; readonly answer: string }
  | {
      readonly kind: 'later'
      readonly answer: string
      readonly retryInMs?: number | undefined
      /** No call was made: the breaker of the provider's host stays open for this long. */
      readonly openForMs?: number | undefined
    }
  | { readonly kind: 'unknown'; readonly answer: string }

/** A decision and its rule, for the explanation of a notice. */
export interface Note {
  readonly at: number
  readonly step?: string | undefined
  /** e.g. `preferences`, `quiet-hours`, `throttle`, `digest`, `condition`, `seen`, `canceled`. */
  readonly rule: string
  readonly text: string
}

/** What `NotificationWorker.deliver` is given: everything that a message needs, so that it reads no user data itself. */
export interface DeliveryOrder {
  readonly tenant: string
  readonly delivery: { readonly id: string; readonly channel: Channel }
  /** The provider of this attempt; the names of the catalog. */
  readonly provider: string
  readonly source: ContentSource
  readonly target?: Target | undefined
  /** What templates are rendered with. */
  readonly document: RunDocument
  readonly workflow: string
  readonly category?: Category | undefined
  /** `normal` without it. */
  readonly priority?: Priority | undefined
  /** The conversation is asked whether the message is still needed, and what it says now. */
  readonly chat?: ChatOrigin | undefined
}

/** One notification of a digest. */
export interface DigestEvent {
  readonly id: string
  readonly at: number
  readonly actor?: string | undefined
  readonly data: unknown
}

/** What expressions and templates of a workflow see. */
export interface RunDocument {
  readonly recipient: Profile
  readonly actor?: Partial<Profile> | undefined
  readonly data: unknown
  /** The newest notifications of a digest, in the order in which they were gathered; one without a digest step. */
  readonly events: readonly DigestEvent[]
  /** How many notifications there are, with those that `events` has no room for. */
  readonly total: number
  readonly steps: Readonly<Record<string, unknown>>
  readonly state: { readonly isSeen: boolean; readonly isRead: boolean; readonly isInteracted: boolean }
}
