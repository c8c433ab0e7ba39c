import { sizes } from '../../../src/protocol/limits.ts'
import { encodePublication, type Publication } from '../../../src/protocol/replies.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import { pingSeconds } from '../../../src/realtime/liveness.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { TenantLimits } from '../../../src/tenants/record.ts'
import type { SubscriptionGrant } from '../channels/subscription-grants.ts'

export type SubscribedResult = Extract<StreamResult, { kind: 'subscribed' }>

/**
 * JSON text of a SubscribeResult. Fields that are zero are left out; the offset is the request's own when recovered.
 * A client that cannot recover gets no position.
 */
export function encodeSubscribed(
  result: SubscribedResult,
  { isRecoverable, isPositioned = false, terms, data = result.data }: SubscriptionGrant,
  now: number,
) {
  const { epoch, offset, wasRecovering, recovered, publications } = result
  const parts = encodeExpiry(terms.expiresAt ?? 0, now)
  if (isRecoverable && epoch !== '') parts.push('"recoverable":true')
  if ((isRecoverable || isPositioned) && epoch !== '')
    parts.push(`"positioned":true,"epoch":${JSON.stringify(epoch)},"offset":${offset}`)
  if (wasRecovering) parts.push('"was_recovering":true')
  if (recovered) parts.push('"recovered":true')
  if (publications.length > 0) parts.push(`"publications":[${encodedList(publications)}]`)
  if (data !== '') parts.push(`"data":${data}`)
  return `{${parts.join(',')}}`
}

/** The text of lists that the results of one call share. */
const encodedLists = new WeakMap<readonly Publication[], string>()

function encodedList(publications: readonly Publication[]): string {
  const known = encodedLists.get(publications)
  if (known !== undefined) return known
  const text = publications.map(encodePublication).join(',')
  encodedLists.set(publications, text)
  return text
}

/** The terms of each user's own stream. */
export const ownStream: SubscriptionGrant = {
  kind: 'granted',
  joinLeave: false,
  isRecoverable: true,
  terms: { server: true },
}

/** The same of the user's own stream. Without the events that a returning client missed it did not recover. */
export function encodeOwn(result: SubscribedResult, missed: readonly string[] | undefined, now: number): string {
  const own =
    missed === undefined ? { ...result, offset: Math.max(result.top, now), recovered: false, publications: [] } : result
  return encodeSubscribed(own, ownStream, now)
}

/** The fields of a result that say when it ends, if it does; `expiresAt` in milliseconds, 0 for never. */
export const encodeExpiry = (expiresAt: number, now: number): string[] =>
  expiresAt === 0 ? [] : [`"expires":true,"ttl":${Math.max(1, Math.floor((expiresAt - now) / 1000))}`]

/** JSON text of a ConnectResult; `subs` are the server-side subscriptions, each as JSON text of its SubscribeResult. */
export function encodeConnected(
  session: Session,
  subs: ReadonlyMap<string, string>,
  limits: TenantLimits,
  now: number,
): string {
  const { client, user, tenant, expiresAt, emulation } = session
  const data = { user, tenant, time: now, limits: { ...sizes, ...limits } }
  const parts = [
    `"client":"${client}","version":"parley 0.1"`,
    ...encodeExpiry(expiresAt, now),
    `"data":${JSON.stringify(data)}`,
    `"subs":{${[...subs].map(([channel, result]) => `${JSON.stringify(channel)}:${result}`).join(',')}}`,
    ...(session.wire.pings ? [`"ping":${pingSeconds},"pong":true`] : []),
    ...(emulation === undefined ? [] : [`"session":"${emulation.session}","node":"${emulation.node}"`]),
    `"time":${now}`,
  ]
  return `{${parts.join(',')}}`
}
