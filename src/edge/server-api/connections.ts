import { gatewayNamed, gatewayNames, inboxOf } from '../../../durable-objects/address.ts'
import { loadConfig } from '../../config.ts'
import type { Env } from '../../env.ts'
import { matchesPattern, type ServerApiRequest } from '../../protocol/server-api.ts'
import type { Result } from './channels.ts'

type WithUser = ServerApiRequest<'subscribe' | 'unsubscribe' | 'disconnect' | 'refresh'>

/** Makes a user's connections listen to a channel. */
export async function subscribe(env: Env, tenant: string, request: ServerApiRequest<'subscribe'>): Promise<Result> {
  const { channel, info, data, override } = request
  const { join_leave: joinLeave, force_recovery: recovery } = override ?? {}
  const wanted = {
    channel,
    ...(info === undefined ? {} : { info: JSON.stringify(info) }),
    ...(data === undefined ? {} : { data: JSON.stringify(data) }),
    overrides: {
      ...(joinLeave === undefined ? {} : { joinLeave: joinLeave.value }),
      ...(recovery === undefined ? {} : { recovery: recovery.value }),
    },
  }
  const gateways = await gatewaysOf(env, tenant, request)
  const answers = await Promise.all(gateways.map((gateway) => gateway.subscribeUser(whom(tenant, request), wanted)))
  return answers.find((answer) => answer !== undefined) ?? '{}'
}

/** Ends a user's subscriptions to a channel. */
export async function unsubscribe(env: Env, tenant: string, request: ServerApiRequest<'unsubscribe'>): Promise<Result> {
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.unsubscribeUser(whom(tenant, request), request.channel)))
  return '{}'
}

/** Ends a user's connections. */
export async function disconnect(env: Env, tenant: string, request: ServerApiRequest<'disconnect'>): Promise<Result> {
  const { disconnect: end, whitelist } = request
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.disconnectUser(whom(tenant, request), end, whitelist)))
  return '{}'
}

/** Moves the end of a user's connections; without a time they do not expire. */
export async function refresh(env: Env, tenant: string, request: ServerApiRequest<'refresh'>): Promise<Result> {
  const until = { expired: request.expired, expiresAt: request.expire_at * 1000 }
  const gateways = await gatewaysOf(env, tenant, request)
  await Promise.all(gateways.map((gateway) => gateway.refreshUser(whom(tenant, request), until)))
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
    uptime: Math.max(0, Math.floor((now - since) / 1000)),
  }))
  return JSON.stringify({ nodes })
}

async function standings(env: Env, tenant: string) {
  const names = gatewayNames(loadConfig(env))
  return await Promise.all(names.map(async (name) => ({ name, ...(await gatewayNamed(env, name).standingOf(tenant)) })))
}

const whom = (tenant: string, { user, client }: WithUser) => ({
  tenant,
  user,
  ...(client === undefined || client === '' ? {} : { client }),
})

/** The gateways that hold the user: her own stream knows them. Nobody has a stream, so for nobody it is all of them. */
async function gatewaysOf(env: Env, tenant: string, { user }: WithUser) {
  const names = user === '' ? gatewayNames(loadConfig(env)) : await inboxOf(env, tenant, user).gateways()
  return names.map((name) => gatewayNamed(env, name))
}
