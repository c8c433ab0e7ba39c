import type { ColdRange } from '../events/log-of.ts'
import type { RequestContext } from '../kernel/request-context.ts'
import type { Refusal } from './errors.ts'
import type { MessageContent } from './payloads.ts'
import type { ClientInfo, Infos, Publication } from './replies.ts'

/**
 * The calls between a gateway and the actor behind a channel: plain data, many commands in one call. An answer brings
 * the gateway up to date with everything after the offset it said it has (`have`), so a call that was lost, answered
 * late or overtaken is repaired by the next one.
 */
export interface StreamCall {
  /** The calling gateway's name; null when the caller has no subscribers (HTTP). */
  readonly gateway: string | null
  /** Highest offset the gateway has delivered on this channel; null before its first subscriber. */
  readonly have: number | null
  /** Connections subscribed at the gateway as the call leaves, without those that the call subscribes. */
  readonly subscribed?: number
  /** How the topic is to be kept, as far as the caller knows; absent for every other stream. */
  readonly rules?: TopicRules
  readonly commands: readonly StreamCommand[]
  /** The HTTP request or job that the call is made for; absent for the commands of sockets. */
  readonly request?: RequestContext | undefined
}

/** How a plain topic is kept, by its namespace. `version` is the tenant record's: the newest known one applies. */
export interface TopicRules {
  readonly version: number
  /** Publications kept; with 0 none is, and they have no offset. */
  readonly historySize: number
  readonly historyTtlSeconds: number
  /** Whether joins and leaves are published. */
  readonly joinLeave: boolean
}

/** One command of a user on one connection. `user` "" with `server` is the tenant's own server. */
export type StreamCommand = {
  readonly user: string
  readonly client: string
  readonly server?: boolean
} & StreamVerb

export type StreamVerb =
  | {
      readonly kind: 'subscribe'
      readonly since?: StreamPosition
      readonly joinLeave: boolean
      readonly pass?: ConnectionClaim
      /** False when another connection of the user is subscribed at that gateway already. */
      readonly alone?: boolean
      readonly infos?: Infos
      /** Whether a topic publishes the join, where that differs from its rules. */
      readonly announced?: boolean
      /** It is left out of presence. */
      readonly hidden?: boolean
    }
  /** The public infos of a subscription changed, or whether presence shows it. */
  | { readonly kind: 'infos'; readonly infos: Infos; readonly hidden?: boolean }
  /**
   * The connection unsubscribed; `last` when it was the gateway's last one, `alone` false when the user has another
   * there.
   */
  | {
      readonly kind: 'leave'
      readonly last: boolean
      readonly alone?: boolean
      readonly infos?: Infos
      readonly announced?: boolean
    }
  /** A publication in a plain topic; `data` is JSON text. */
  | {
      readonly kind: 'publish'
      readonly data: string
      readonly tags?: Readonly<Record<string, string>>
      readonly infos?: Infos
      /** The same key again within five minutes is the same publication. */
      readonly idempotencyKey?: string
      /** Passed on to the subscribers and not kept. */
      readonly skipHistory?: true
      /** Dropped unless its version is newer than that of the last publication with one. */
      readonly version?: PublicationVersion
      /** The id of this command, so that a call repeated after a lost answer does not publish it twice. */
      readonly once?: string
    }
  /** A message: the commonest command, which is not looked up by its name. */
  | { readonly kind: 'send'; readonly content: MessageContent }
  /** Any other command of a conversation, by its rpc method; `input` was checked by the command's schema. */
  | { readonly kind: 'command'; readonly name: string; readonly input: object }

/** The tenant's own count of what it publishes in a topic. Versions of different epochs are not compared; "" is any epoch. */
export interface PublicationVersion {
  readonly version: number
  readonly epoch: string
}

/** What a new connection presents to its user's inbox, which decides whether there may be one more. */
export interface ConnectionClaim {
  /** When its token was issued, in milliseconds since the epoch. */
  readonly issuedAt: number
  /** The user's connections at the calling gateway, this one among them. */
  readonly connections: number
  /** How many connections the user may have at all gateways together. */
  readonly atMost: number
}

/** A position in one incarnation of a stream. */
export interface StreamPosition {
  readonly offset: number
  readonly epoch: string
}

/** An update of one stream: publications follow `after` without a gap; events have no offset and are not repeated. */
export interface StreamUpdate {
  readonly epoch: string
  readonly after: number
  readonly publications: readonly Publication[]
  readonly events: readonly EphemeralEvent[]
}

/** An ephemeral event, which is not kept: typing, a join, a leave, a read cursor, or a removal. */
export type EphemeralEvent =
  | ({ readonly kind: 'pub'; readonly except?: string } & Omit<Publication, 'offset'>)
  | { readonly kind: 'join' | 'leave'; readonly info: ClientInfo }
  /**
   * `user` is no longer a member: end all its subscriptions that began before this position. Those after it were
   * allowed.
   */
  | { readonly kind: 'removed'; readonly user: string; readonly before: StreamPosition }
  /**
   * Of an inbox: the user is a member of this conversation from now on. `info` names no user; gateways of the version before
   * read it of every event.
   */
  | { readonly kind: 'listed'; readonly conversation: string; readonly info?: ClientInfo }
  /** Sessions admitted by a token issued at or before `until` (milliseconds) end. Repeated with every answer. */
  | { readonly kind: 'revoked'; readonly until: number }

export interface StreamAnswer {
  readonly update: StreamUpdate
  /** True when `have` lies further back than an answer can carry: subscribers must resubscribe (2500). */
  readonly behind: boolean
  /** One per command, in order. */
  readonly results: readonly StreamResult[]
}

export type StreamResult =
  | Refusal
  | {
      readonly kind: 'subscribed'
      readonly epoch: string
      /**
       * The offset to reply with: the request's own when recovered, else the top of the stream. Of an inbox the time of the
       * answer, unless publications were recovered.
       */
      readonly offset: number
      /** The top of the stream when the command ran; later publications come as pushes. */
      readonly top: number
      readonly wasRecovering: boolean
      readonly recovered: boolean
      readonly publications: readonly Publication[]
      /** JSON text of the state that is not in the stream; empty when there is none. */
      readonly data: string
      /** Of an inbox: the buckets of the user's conversations, ascending; see src/events/activity.ts. */
      readonly buckets?: readonly number[]
    }
  /** Done; `data` is JSON text of the rpc's result. */
  | { readonly kind: 'done'; readonly data: string }

/** An update addressed to one channel of one tenant, as actors push it to gateways. */
export interface ChannelUpdate extends StreamUpdate {
  readonly tenant: string
  readonly channel: string
}

/** A page of a stream, as history asks for it. */
export interface HistoryQuery {
  /** 0: position only. Otherwise 1 … the page cap. */
  readonly limit: number
  readonly since?: StreamPosition
  readonly reverse: boolean
}

/**
 * A page of history from the actor: the entries it holds itself, in the requested order, and the seqs (`missing`,
 * inclusive) that have to be read elsewhere because only Postgres or the archive still has their content.
 */
export type HistoryAnswer =
  | Refusal
  | {
      readonly kind: 'page'
      readonly epoch: string
      readonly top: number
      readonly publications: readonly Publication[]
      readonly missing?: ColdRange
      readonly amendments: readonly Amendment[]
      /** Those that messages of the page have beside their text; actors of versions before give none. */
      readonly states?: readonly MessageState[]
    }

/** The state of message `ref` after amendments: its newest text, or null when it is deleted. */
export interface Amendment {
  readonly ref: number
  readonly at: number
  readonly text: string | null
  /** The whole message, as JSON text, where it was restored after a deletion: the log has no content at its place. */
  readonly entry?: string | null
}

/** What message `ref` has beside its text, as one user sees it. */
export interface MessageState {
  readonly ref: number
  /** In the order in which they came; `own` when one of them is the user's. */
  readonly reactions?: readonly { readonly reaction: string; readonly count: number; readonly own: boolean }[]
  readonly pinned?: { readonly user: string; readonly at: number; readonly until?: number }
  /** How many times it was edited. */
  readonly edits?: number
  /** Its thread; absent where there is no reply that is not deleted. `users` are those that replied first, of `userCount`. */
  readonly replies?: {
    readonly count: number
    readonly last: { readonly seq: number; readonly user: string; readonly at: number }
    readonly users: readonly string[]
    readonly userCount: number
  }
}
