import { gatewayNamed, inboxNotesOf } from '../../../durable-objects/address.ts'
import { callInbox } from '../../../durable-objects/open-actors.ts'
import { loadConfig } from '../../config.ts'
import { readOverrides, type Overrides } from '../../auth/claims.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { parseChannel } from '../../protocol/channels.ts'
import { refuse } from '../../protocol/errors.ts'
import { infoBytes } from '../../protocol/limits.ts'
import { matchesPattern, type ServerApiRequest } from '../../protocol/server-api.ts'
import { optionalData, unknownChannel, type Result } from './channels.ts'
import { gatewayNames } from '../../realtime/gateway-names.ts'

type WithUser = ServerApiRequest<'subscribe' | 'unsubscribe' | 'disconnect' | 'refresh'>

/** Makes a user's connections listen to a channel. */
export async function subscribe(env: Env, tenant: string, request: ServerApiRequest<'subscribe'>): Promise<Result> {
  const { channel, recover_since: since, expire_at: expireAt = 0 } = request
  const [info, data] = [infoOf(request), optionalData(request)]
  if (typeof info === 'object') return info
  if (typeof data === 'object') return data
  if (expireAt > 0 && expireAt * 1000 <= systemClock.now())
    return refuse('badRequest', 'expire_at: a time in the future, in seconds since the epoch')
  const overrides = { ...readGocentFlags(request), ...readOverrides(request.override ?? {}) }
  const unknown = await unknownChannel(env, tenant, channel)
  if (unknown !== undefined) return unknown
  if (parseChannel(channel)?.kind === 'conversation' && (overrides.presence === false || overrides.joinLeave === false))
    return refuse('badRequest', 'override.presence, override.join_leave: members of a conversation are always shown')
  const order = {
    channel,
    overrides,
    ...(info === undefined ? {} : { info }),
    ...(data === undefined ? {} : { data }),
    ...(expireAt === 0 ? {} : { expiresAt: expireAt * 1000 }),
    ...(since === undefined ? {} : { mustRecover: true as const }),
  }
  const gateways = await gatewaysOf(env, tenant, request)
  const ask = target(tenant, request)
  const answers = await Promise.all(gateways.map((gateway) => gateway.subscribeUser(ask, order, since)))
  return answers.find((answer) => answer !== undefined) ?? '{}'
}

/** gocent has flags of their own for what is in `override` today; it sends only those that are true. */
const readGocentFlags = ({ presence, join_leave, recover, position }: ServerApiRequest<'subscribe'>): Overrides => ({
  ...(presence === true ? { presence } : {}),
  ...(join_leave === true ? { joinLeave: join_leave } : {}),
  ...(recover === true ? { recovery: recover } : {}),
  ...(position === true ? { positioning: position } : {}),
})

/** Ends a user's subscriptions to a channel. */
export async function unsubscribe(env: Env, tenant: string, request: ServerApiRequest<'unsubscribe'>): Promise<Result> {
  const unknown = request.channel === '' ? undefined : await unknownChannel(env, tenant, request.channel)
  if (unknown !== undefined) return unknown
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.unsubscribeUser(target(tenant, request), request.channel)))
  return '{}'
}

/** Ends a user's connections. */
export async function disconnect(env: Env, tenant: string, request: ServerApiRequest<'disconnect'>): Promise<Result> {
  const end = request.disconnect ?? request.Disconnect
  const whitelist = [...(request.whitelist ?? []), ...(request.ClientWhitelist ?? [])]
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.disconnectUser(target(tenant, request), end, whitelist)))
  return '{}'
}

/** Moves the end of a user's connections, or ends them where it has passed; without a time they do not expire. */
export async function refresh(env: Env, tenant: string, request: ServerApiRequest<'refresh'>): Promise<Result> {
  const info = infoOf(request)
  if (typeof info === 'object') return info
  const expiresAt = request.expire_at * 1000
  const expired = request.expired || (expiresAt > 0 && expiresAt <= systemClock.now())
  const refreshment = { expired, expiresAt, ...(info === undefined ? {} : { info }) }
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.refreshUser(target(tenant, request), refreshment)))
  return '{}'
}

/** The tenant's channels that have listeners, and how many. */
export async function channels(env: Env, tenant: string, { pattern }: ServerApiRequest<'channels'>): Promise<Result> {
  const counts = new Map<string, number>()
  for (const { listeners } of await standings(env, tenant))
    for (const { channel, clients } of listeners)
      if (matchesPattern(channel, pattern)) counts.set(channel, (counts.get(channel) ?? 0) + clients)
  const entries = [...counts].map(([channel, count]) => [channel, { num_clients: count }] as const)
  return JSON.stringify({ channels: Object.fromEntries(entries) })
}

/** The gateways, each with the tenant's own share of it. */
export async function info(env: Env, tenant: string): Promise<Result> {
  const now = Date.now()
  const nodes = (await standings(env, tenant)).map(({ name, clients, users, listeners, since }) => ({
    uid: name,
    name,
    version: '0.1.0',
    num_clients: clients,
    num_users: users,
    num_channels: listeners.length,
    num_subs: listeners.reduce((sum, listener) => sum + listener.clients, 0),
    uptime: Math.max(0, Math.floor((now - since) / 1000)),
  }))
  return JSON.stringify({ nodes })
}

async function standings(env: Env, tenant: string) {
  const names = gatewayNames(loadConfig(env))
  return await Promise.all(
    names.map(async (name) => ({ name, ...(await gatewayNamed(env, name).tenantStats(tenant)) })),
  )
}

const target = (tenant: string, { user, client = '', session = '' }: WithUser) => ({
  tenant,
  user,
  ...(client === '' ? {} : { client }),
  ...(session === '' ? {} : { session }),
})

/** What others may see of a connection or a subscription; sockets remember it, so that it is short. */
const infoOf = ({ info, b64info }: { readonly info?: string | undefined; readonly b64info?: string | undefined }) =>
  optionalData({ data: info, b64data: b64info }, infoBytes, 'b64info')

/**
 * The gateways that hold connections of the user, as its inbox knows them. A user without an open inbox has no connection
 * or one of an earlier version, and "" has no inbox: then it is all gateways, and no inbox is made for an invented name.
 */
async function gatewaysOf(env: Env, tenant: string, { user }: WithUser) {
  const isOpen = user !== '' && (await inboxNotesOf(env, tenant, user).standingOf(user)) === 'open'
  const names = isOpen ? await callInbox(env, tenant, user, (inbox) => inbox.gateways()) : gatewayNames(loadConfig(env))
  return names.map((name) => gatewayNamed(env, name))
}
