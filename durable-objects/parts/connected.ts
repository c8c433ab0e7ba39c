import { inboxChannel } from '../../src/protocol/channels.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { encodePublication } from '../../src/protocol/replies.ts'
import type { StreamResult } from '../../src/protocol/stream.ts'
import { pingSeconds } from '../../src/realtime/liveness.ts'
import type { Session } from '../../src/realtime/session.ts'
import type { TenantLimits } from '../../src/tenants/record.ts'

type Subscribed = Extract<StreamResult, { kind: 'subscribed' }>

/** JSON text of a SubscribeResult. Fields that are zero are left out; the offset is the request's own when recovered. */
export function encodeSubscribed({ epoch, offset, wasRecovering, recovered, publications, data }: Subscribed): string {
  const parts = [`"recoverable":true,"positioned":true,"epoch":${JSON.stringify(epoch)},"offset":${offset}`]
  if (wasRecovering) parts.push('"was_recovering":true')
  if (recovered) parts.push('"recovered":true')
  if (publications.length > 0) parts.push(`"publications":[${publications.map(encodePublication).join(',')}]`)
  parts.push(`"data":${data}`)
  return `{${parts.join(',')}}`
}

/** JSON text of a ConnectResult, with the personal inbox as server-side subscription. */
export function encodeConnected(session: Session, inbox: Subscribed, limits: TenantLimits, now: number): string {
  const { client, user, tenant, expiresAt, emulation } = session
  const data = { user, tenant, time: now, limits: { ...sizes, ...limits } }
  const expiry = expiresAt > 0 ? `,"expires":true,"ttl":${Math.max(1, Math.floor((expiresAt - now) / 1000))}` : ''
  const subs = `{${JSON.stringify(inboxChannel(user))}:${encodeSubscribed(inbox)}}`
  const pings = session.wire.pings ? `,"ping":${pingSeconds},"pong":true` : ''
  const posts = emulation === undefined ? '' : `,"session":"${emulation.session}","node":"${emulation.node}"`
  return `{"client":"${client}","version":"parley 0.1"${expiry},"data":${JSON.stringify(data)},"subs":${subs}${pings}${posts},"time":${now}}`
}
