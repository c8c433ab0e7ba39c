import { parseChannel, whyNoChannel } from '../../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodeInfo, type ClientInfo } from '../../../src/protocol/replies.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { conversationOf } from '../../address.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { TopicCommands } from './topic-commands.ts'

/** Connections listed at most. For larger channels there are figures only: the list would cost every subscriber. */
const maxListed = 1000

/** The `presence` and `presence_stats` commands. */
export class Presence {
  readonly #gateway: GatewayContext
  readonly #topics: TopicCommands

  constructor(gateway: GatewayContext, topics: TopicCommands) {
    this.#gateway = gateway
    this.#topics = topics
  }

  /** JSON text of a PresenceResult: the subscribed connections. */
  async list(session: Session, channel: string): Promise<string | Refusal> {
    const clients = await this.#read(session, channel)
    if ('kind' in clients) return clients
    if (clients.length > maxListed)
      return refuse('notAvailable', `more than ${maxListed} connections: ask for presence_stats`)
    return `{"presence":{${clients.map((info) => `${JSON.stringify(info.client)}:${encodeInfo(info)}`).join(',')}}}`
  }

  /** JSON text of a PresenceStatsResult: how many connections, how many users. */
  async stats(session: Session, channel: string): Promise<string | Refusal> {
    const clients = await this.#read(session, channel)
    if ('kind' in clients) return clients
    return JSON.stringify({ num_clients: clients.length, num_users: new Set(clients.map(({ user }) => user)).size })
  }

  async #read(session: Session, channel: string): Promise<readonly ClientInfo[] | Refusal> {
    const { tenant, user, client } = session
    const parsed = parseChannel(channel)
    if (parsed === undefined) return whyNoChannel(channel)
    if (parsed.kind === 'topic') return await this.#topics.presence(session, parsed, channel)
    if (parsed.kind !== 'conversation')
      return refuse('notAvailable', 'presence anywhere but in conversations and topics')
    if (!(await this.#gateway.names.hasConversation(tenant, parsed.id))) return refuse('permissionDenied')
    const answer = await conversationOf(this.#gateway.env, tenant, parsed.id).presence({ user, client, server: false })
    return answer.kind === 'refused' ? answer : answer.clients
  }
}
