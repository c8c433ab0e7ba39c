import type { CloseName } from '../protocol/close-codes.ts'
import type { Session, Subscription } from './session.ts'

/** Seconds between pings, as told to clients. */
export const pingSeconds = 25
const pingMs = pingSeconds * 1000
/** How long a connection may stay without saying who it is. */
export const connectMs = 10_000
/** How long one may be on its way in, which is not its own doing. */
const admissionMs = 60_000
/** How long an expired token is still good, of a connection or of a subscription, so that its renewal may be on the way. */
export const graceMs = 25_000
/** How long a pong may take: SDKs answer at once. */
const pongMs = 8_000
/** Signs of life are noted this much too early at most. */
const slackMs = 5_000

/** Whether it is time to ping again; `pingedAt` is 0 when nobody remembers. Alarms may ring a little early. */
export const isPingDue = (pingedAt: number, now: number): boolean => pingedAt > now || now - pingedAt >= pingMs - 500

/**
 * Why a connection must end now, if it must. `aliveAt` is its last sign of life. Silence is counted from the last ping,
 * not from the clock: a gateway that was late itself must not take everybody for dead. So a socket that vanished without
 * a word is noticed two pings later at most.
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

/** When a subscription ends unless it is renewed; Infinity for never. Only one that its client renews has time for that. */
export const endOf = ({ terms }: Subscription): number =>
  terms?.expiresAt === undefined ? Infinity : terms.expiresAt + (terms.server === true ? 0 : graceMs)

/** When a connection has to be looked at again, beside the pings. */
export function lookAgainAt({ phase, openedAt, expiresAt, subscriptions }: Session): number {
  if (phase === 'new') return openedAt + connectMs
  if (phase !== 'open') return openedAt + admissionMs
  let due = expiresAt > 0 ? expiresAt + graceMs : Infinity
  for (const subscription of subscriptions.values()) due = Math.min(due, endOf(subscription))
  return due
}

/** When the next ping is due, after one at `pingedAt`. */
export const nextPingAt = (pingedAt: number): number => pingedAt + pingMs
