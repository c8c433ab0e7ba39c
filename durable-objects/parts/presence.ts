import type { Env } from '../../src/env.ts'
import { parseChannel } from '../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { Session } from '../../src/realtime/session.ts'
import { conversationOf } from '../address.ts'

/** In larger rooms only the figures are told: nobody reads a list that long, and it would cost everyone. */
const listedClients = 1000

/** JSON text of a PresenceResult: who is here, by connection. */
export async function presence(env: Env, session: Session, channel: string): Promise<string | Refusal> {
  const clients = await whoIsHere(env, session, channel)
  if (!Array.isArray(clients)) return clients
  if (clients.length > listedClients)
    return refuse('notAvailable', `more than ${listedClients} connections: ask for presence_stats`)
  return JSON.stringify({ presence: Object.fromEntries(clients.map((info) => [info.client, info])) })
}

/** JSON text of a PresenceStatsResult: how many connections, how many users. */
export async function presenceStats(env: Env, session: Session, channel: string): Promise<string | Refusal> {
  const clients = await whoIsHere(env, session, channel)
  if (!Array.isArray(clients)) return clients
  return JSON.stringify({ num_clients: clients.length, num_users: new Set(clients.map(({ user }) => user)).size })
}

async function whoIsHere(
  env: Env,
  { tenant, user, client }: Session,
  channel: string,
): Promise<ClientInfo[] | Refusal> {
  const parsed = parseChannel(channel)
  if (parsed === undefined) return refuse('unknownChannel')
  if (parsed.kind !== 'conversation') return refuse('notAvailable', 'presence anywhere but in a conversation')
  const answer = await conversationOf(env, tenant, parsed.id).presence({ user, client, server: false })
  return answer.kind === 'refused' ? answer : [...answer.clients]
}
