import type { Env } from '../../../src/env.ts'
import { parseChannel, whyNoChannel } from '../../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodeInfo, type ClientInfo } from '../../../src/protocol/replies.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { conversationOf } from '../../address.ts'
import type { NameDirectory } from '../channels/name-directory.ts'
import type { TopicCommands } from './topic-commands.ts'

/** In larger rooms only the figures are told: nobody reads a list that long, and it would cost everyone. */
const listedClients = 1000

/** What presence is read with. */
interface PresenceContext {
  readonly env: Env
  readonly names: NameDirectory
}

/** JSON text of a PresenceResult: who is here, by connection. */
export async function presence(
  context: PresenceContext,
  topics: TopicCommands,
  session: Session,
  channel: string,
): Promise<string | Refusal> {
  const clients = await readPresence(context, topics, session, channel)
  if ('kind' in clients) return clients
  if (clients.length > listedClients)
    return refuse('notAvailable', `more than ${listedClients} connections: ask for presence_stats`)
  return `{"presence":{${clients.map((info) => `${JSON.stringify(info.client)}:${encodeInfo(info)}`).join(',')}}}`
}

/** JSON text of a PresenceStatsResult: how many connections, how many users. */
export async function presenceStats(
  context: PresenceContext,
  topics: TopicCommands,
  session: Session,
  channel: string,
): Promise<string | Refusal> {
  const clients = await readPresence(context, topics, session, channel)
  if ('kind' in clients) return clients
  return JSON.stringify({ num_clients: clients.length, num_users: new Set(clients.map(({ user }) => user)).size })
}

async function readPresence(
  { env, names }: PresenceContext,
  topics: TopicCommands,
  session: Session,
  channel: string,
): Promise<readonly ClientInfo[] | Refusal> {
  const { tenant, user, client } = session
  const parsed = parseChannel(channel)
  if (parsed === undefined) return whyNoChannel(channel)
  if (parsed.kind === 'topic') return await topics.presence(session, parsed, channel)
  if (parsed.kind !== 'conversation') return refuse('notAvailable', 'presence anywhere but in conversations and topics')
  if (!(await names.hasConversation(tenant, parsed.id))) return refuse('permissionDenied')
  const answer = await conversationOf(env, tenant, parsed.id).presence({ user, client, server: false })
  return answer.kind === 'refused' ? answer : answer.clients
}
