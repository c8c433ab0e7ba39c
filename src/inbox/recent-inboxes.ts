import { BoundedMap } from '../kernel/bounded-map.ts'
import { channelKey } from '../protocol/channel-names.ts'
import type { ConnectionClaim, StreamPosition, StreamResult } from '../protocol/stream.ts'

/** Clocks of actors may differ by so much, in milliseconds. */
export const clocksDifferMs = 11 * 60_000

/** Offsets from here on are times; positions of earlier versions are small numbers. */
const firstTime = 1e12

/** The offset after which the events lie that a client with this position may lack: the clocks that gave it and them may differ. */
export const earliest = ({ offset }: StreamPosition): number => (offset < firstTime ? offset : offset - clocksDifferMs)

/** Whether a position may have been given by an inbox of this epoch whose newest event has the offset `top`. */
export const isKnown = (position: StreamPosition, epoch: string, top: number, now: number): boolean =>
  (position.epoch === '' || position.epoch === epoch) && position.offset <= Math.max(top, now + clocksDifferMs)

/** How long an inbox is kept, in milliseconds; as long at most a gateway that cannot be reached admits a token that was revoked. */
const keptMs = 120_000
/** Inboxes kept at once, at about 500 bytes each. */
const maxKept = 10_000
/** An inbox with more buckets is not kept: its user costs one call more. */
const maxBuckets = 500

/** An inbox as it stood when its user's last connection at a gateway closed. */
export interface RecentInbox {
  readonly epoch: string
  /** The offset of its newest event. */
  readonly top: number
  /** When the token of that connection was issued, in milliseconds since the epoch: it had not been revoked. */
  readonly issuedAt: number
  /** The buckets of the user's conversations, ascending. */
  readonly buckets: Uint16Array
  /** When that connection closed, in milliseconds since the epoch. */
  readonly closedAt: number
}

/**
 * The inboxes of users whose last connection at a gateway has closed a moment ago. They are not told of that: they still list
 * the gateway, count the connection, and publish here what is new. Until they do, or ask, nothing has changed, and the
 * user's next connection is answered as the inbox would answer it, without a call.
 */
export class RecentInboxes {
  readonly #kept = new BoundedMap<string, RecentInbox>(maxKept)

  /** The last connection has closed. False when the inbox has to be told. */
  keep(tenant: string, channel: string, inbox: RecentInbox): boolean {
    if (inbox.epoch === '' || inbox.top < 0 || inbox.buckets.length > maxBuckets) return false
    this.#kept.set(channelKey(tenant, channel), inbox)
    return true
  }

  /** The channel is subscribed to, published something or asks for its connections: the inbox itself answers from now on. Returns what was kept. */
  end(tenant: string, channel: string): RecentInbox | undefined {
    const key = channelKey(tenant, channel)
    const inbox = this.#kept.get(key)
    if (inbox !== undefined) this.#kept.delete(key)
    return inbox
  }

  /** Forgets inboxes that were kept for long enough. */
  tidy(now: number): void {
    for (const [key, inbox] of this.#kept) {
      if (isFresh(inbox, now)) return
      this.#kept.delete(key)
    }
  }
}

const isFresh = ({ closedAt }: RecentInbox, now: number): boolean => now >= closedAt && now - closedAt <= keptMs

/** What an inbox that has not changed answers a new connection; undefined where only the inbox knows. */
export function answerUnchanged(
  inbox: RecentInbox,
  claim: ConnectionClaim,
  since: StreamPosition | undefined,
  now: number,
): Extract<StreamResult, { kind: 'subscribed' }> | undefined {
  const { epoch, top, issuedAt, buckets } = inbox
  // The inbox counts one connection here, whichever it is.
  if (!isFresh(inbox, now) || claim.connections > 1 || claim.atMost < 1 || claim.issuedAt < issuedAt) return undefined
  if (since !== undefined && (!isKnown(since, epoch, top, now) || earliest(since) < top)) return undefined
  const isRecovering = since !== undefined
  return {
    kind: 'subscribed',
    epoch,
    offset: Math.max(top, now),
    top,
    buckets: [...buckets],
    wasRecovering: isRecovering,
    recovered: isRecovering,
    publications: [],
    data: '{}',
  }
}
