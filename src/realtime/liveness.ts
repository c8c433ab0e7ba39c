import { hash32 } from '../kernel/id.ts'
import type { CloseName } from '../protocol/close-codes.ts'
import type { Session, Subscription } from './session.ts'

/** Seconds between pings, as told to clients. */
export const pingSeconds = 25
const pingMs = pingSeconds * 1000
/** How long a connection may stay open without a connect command. */
export const connectMs = 10_000
/** How long the server may take to answer a connect. */
const admissionMs = 60_000
/** How long an expired token of a connection or a subscription stays valid, while its renewal is on the way. */
export const graceMs = 25_000
/** How long a pong may take: SDKs answer at once. */
const pongMs = 8_000
/** A noted sign of life may be this much older than the latest one. */
const slackMs = 5_000

/** Whether it is time to ping again; `pingedAt` is 0 when no ping is on record. Alarms may ring a little early. */
export const isPingDue = (pingedAt: number, now: number): boolean => pingedAt > now || now - pingedAt >= pingMs - 500

/**
 * The close code of a connection that must end now; undefined when it stays. `aliveAt` is its last sign of life. Silence is
 * counted from the last ping, not from the clock: a gateway that was late itself must not close every connection. A socket
 * that vanished without a close frame is therefore noticed two pings later at most.
 */
export function decideEnd(
  { phase, openedAt, expiresAt }: Session,
  { aliveAt, pingedAt, now }: { readonly aliveAt: number; readonly pingedAt: number; readonly now: number },
): CloseName | undefined {
  if (phase === 'new') return now - openedAt >= connectMs ? 'stale' : undefined
  if (phase !== 'open') return now - openedAt >= admissionMs ? 'stale' : undefined
  if (expiresAt > 0 && expiresAt + graceMs <= now) return 'expired'
  const unanswered = pingedAt > 0 && aliveAt < pingedAt - slackMs && now - pingedAt >= pongMs
  return unanswered ? 'noPong' : undefined
}

/** When a subscription ends unless it is renewed; Infinity for never. Only clients get time to renew theirs. */
export const endOf = ({ terms }: Subscription): number =>
  terms?.expiresAt === undefined ? Infinity : terms.expiresAt + (terms.server === true ? 0 : graceMs)

/** When a connection has to be checked again, beside the pings. */
export function lookAgainAt({ phase, openedAt, expiresAt, subscriptions }: Session): number {
  if (phase === 'new') return openedAt + connectMs
  if (phase !== 'open') return openedAt + admissionMs
  let due = expiresAt > 0 ? expiresAt + graceMs : Infinity
  for (const subscription of subscriptions.values()) due = Math.min(due, endOf(subscription))
  return due
}

/** When the next ping is due, after one at `pingedAt`. */
export const nextPingAt = (pingedAt: number): number => pingedAt + pingMs

/** Each channel is checked once in so many heartbeats: every 27 minutes. */
const checkRounds = 64

/**
 * Whether a channel's position is checked in the heartbeat at `now`. Streams repeat updates that do not arrive, and the
 * next update shows a gap; this repairs what neither does. It is rare because it wakes an actor that might sleep, and it
 * depends on the channel's name and the time alone, so that channels spread evenly and a gateway that slept agrees.
 */
export const isCheckedAt = (channel: string, now: number): boolean =>
  (hash32(channel) + Math.floor(now / pingMs)) % checkRounds === 0
