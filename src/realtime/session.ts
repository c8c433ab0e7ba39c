import type { Capability } from '../protocol/capabilities.ts'
import type { FrameFormat } from '../protocol/frames.ts'
import { newReader, type Reader } from './slow-reader.ts'

/** The format of a connection. */
export interface ConnectionFormat {
  readonly format: FrameFormat
  /** Whether the server pings and expects an answer; not when the client said that it pings by itself. */
  readonly pings: boolean
}

/** The format of nearly every connection. */
export const jsonFormat: ConnectionFormat = { format: 'json', pings: true }

/** What a session keeps through hibernation, in its socket's attachment (16 KB at most). */
export interface SocketAttachment {
  readonly client: string
  readonly tenant: string
  readonly user: string
  /** Token expiry in milliseconds since the epoch, 0 for never. */
  readonly expiresAt: number
  /** When the token was issued, in milliseconds since the epoch. */
  readonly issuedAt: number
  /** The client's network, as limits tell callers apart; "" when it is unknown. */
  readonly address: string
  /** The origin of its page, until it has connected; left out when it is unknown. */
  readonly origin?: string
  readonly openedAt: number
  /** Its name among the connections of this process, where they can be ended by force. */
  readonly connection?: string
  /** Public info of the connection, as JSON text. */
  readonly info?: string
  readonly capabilities?: readonly Capability[]
  readonly subscriptions: readonly Subscription[]
  readonly buckets?: KeptBuckets
  /** Left out when it is `jsonFormat`. */
  readonly wire?: ConnectionFormat
  /** When the client last sent something; left out where the runtime itself keeps that time. */
  readonly heardAt?: number
  /** When the gateway last pinged, in milliseconds since the epoch, if this attachment keeps it for all. */
  readonly pingedAt?: number
}

/**
 * The buckets of the user's conversations, as a list or as a bit for each; null where they have no room beside the rest, so that
 * after a sleep all conversations may be the user's.
 */
export type KeptBuckets = Uint16Array | Uint8Array | null

/** One subscription of one connection. */
export interface Subscription {
  readonly channel: string
  readonly epoch: string
  /** Publications up to here reached this connection with its subscribe reply, and must not be pushed again. */
  readonly skip: number
  /** The offset up to which the gateway has delivered this channel, if this connection keeps it for all; else -1. */
  readonly kept: number
  readonly joinLeave: boolean
  readonly terms?: SubscriptionTerms
}

/** The terms of a subscription that differ from the defaults. */
export interface SubscriptionTerms {
  /** The server began it; the SDK does not renew it by itself. */
  readonly server?: true
  /** When it ends unless it is renewed, in milliseconds since the epoch. */
  readonly expiresAt?: number
  /** Public info of the subscription, as JSON text. */
  readonly chanInfo?: string
  /** It is left out of presence. */
  readonly hidden?: true
  /** Whether its join and leave are published, where that differs from the namespace. */
  readonly joinLeave?: boolean
}

/** What a client on an HTTP stream names when it posts commands. */
export interface Emulation {
  readonly session: string
  readonly node: string
}

/** One connection: its user, its subscriptions, and the frames to send. */
export interface Session {
  readonly client: string
  readonly wire: ConnectionFormat
  /** For a connection that is an HTTP stream: its secret name and the node that holds it. */
  readonly emulation: Emulation | undefined
  tenant: string
  user: string
  expiresAt: number
  issuedAt: number
  address: string
  /** Origin of the page that opened it; "" for this server's own pages and for clients that are no browser. */
  origin: string
  readonly openedAt: number
  /** Its name among the connections of this process, where they can be ended by force. */
  connection: string | undefined
  /** When the client last sent something, as far as the session itself knows, in milliseconds since the epoch. */
  receivedAt: number
  /** When the gateway last pinged, if the attachment keeps it for all connections; else 0. In milliseconds since the epoch. */
  pingedAt: number
  /** Whether the runtime answers the client's pongs itself, and so keeps the time of the last one. */
  isTimedByRuntime: boolean
  /** How many frames came from the client since the gateway woke. */
  frames: number
  info: string | undefined
  capabilities: readonly Capability[]
  /** Undefined for a session without an inbox. */
  buckets: KeptBuckets | undefined
  /** Commands are answered only in `open`; in `connecting` they wait, `closed` takes nothing more. */
  phase: 'new' | 'connecting' | 'open' | 'closed'
  readonly subscriptions: Map<string, Subscription>
  /** When each began, in milliseconds since the epoch. Attachments have no room for it: after the gateway slept it is unknown. */
  readonly subscribedAt: Map<string, number>
  /** How fast the client reads. */
  readonly reader: Reader
  /** Replies and pushes of the present event, which leave as one frame. */
  readonly outgoing: string[]
}

/** A new connection, before its connect. */
export function newSession(client: string, now: number, wire = jsonFormat, emulation?: Emulation): Session {
  return {
    client,
    wire,
    emulation,
    tenant: '',
    user: '',
    expiresAt: 0,
    issuedAt: 0,
    address: '',
    origin: '',
    openedAt: now,
    connection: undefined,
    receivedAt: now,
    pingedAt: 0,
    isTimedByRuntime: false,
    frames: 0,
    info: undefined,
    capabilities: [],
    buckets: undefined,
    phase: 'new',
    subscriptions: new Map(),
    subscribedAt: new Map(),
    reader: newReader(),
    outgoing: [],
  }
}

/** The part of a session that goes into the socket's attachment, without its buckets: these yield to everything else. */
export function toAttachment(session: Session): SocketAttachment {
  const { client, tenant, user, expiresAt, issuedAt, address, origin, openedAt, wire, receivedAt, info, capabilities } =
    session
  return {
    client,
    tenant,
    user,
    expiresAt,
    issuedAt,
    address,
    openedAt,
    subscriptions: [...session.subscriptions.values()],
    ...(tenant !== '' || origin === '' ? {} : { origin }),
    ...(wire === jsonFormat ? {} : { wire, heardAt: receivedAt }),
    ...(session.connection === undefined ? {} : { connection: session.connection }),
    ...(info === undefined ? {} : { info }),
    ...(capabilities.length === 0 ? {} : { capabilities }),
    ...(session.pingedAt === 0 ? {} : { pingedAt: session.pingedAt }),
  }
}

/**
 * Bytes that a value takes at most in a socket's attachment: a text takes one byte per character while all of them are
 * Latin-1, else two.
 */
export function attachmentSize(value: unknown): number {
  let wide = 0
  const text = JSON.stringify(value)
  if (isWide(text))
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner === 'string' && isWide(inner)) wide += inner.length
      return inner
    })
  return text.length + wide
}

/** A character takes at most two bytes, and as JSON text at most six characters. */
const longestOfText = 12
const besideTexts = 500
const besideSubscription = 300

/**
 * Whether the attachment of a session without infos and capabilities, as nearly all are, takes less than `bytes`, by the lengths of its
 * texts alone: making its JSON text for each subscribe would cost more. False where that cannot be told.
 */
export function fitsSurely(session: Session, bytes: number): boolean {
  if (session.info !== undefined || session.capabilities.length > 0) return false
  const { client, tenant, user, address, origin, connection = '' } = session
  const texts = client.length + tenant.length + user.length + address.length + origin.length + connection.length
  let atMost = besideTexts + longestOfText * texts
  for (const { channel, epoch, terms } of session.subscriptions.values()) {
    if (terms?.chanInfo !== undefined) return false
    atMost += besideSubscription + longestOfText * (channel.length + epoch.length)
    if (atMost >= bytes) return false
  }
  return atMost < bytes
}

const isWide = (text: string): boolean => /[\u0100-\uffff]/.test(text)

/** The session of before the gateway slept; one without a tenant had not connected yet. */
export function fromAttachment(kept: SocketAttachment): Session {
  return {
    ...newSession(kept.client, kept.openedAt, kept.wire),
    tenant: kept.tenant,
    user: kept.user,
    expiresAt: kept.expiresAt,
    issuedAt: kept.issuedAt,
    address: kept.address,
    connection: kept.connection,
    origin: kept.origin ?? '',
    receivedAt: kept.heardAt ?? kept.openedAt,
    pingedAt: kept.pingedAt ?? 0,
    info: kept.info,
    capabilities: kept.capabilities ?? [],
    buckets: kept.buckets,
    phase: kept.tenant === '' ? 'new' : 'open',
    subscriptions: new Map(kept.subscriptions.map((subscription) => [subscription.channel, subscription])),
  }
}
