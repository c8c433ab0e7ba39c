import { parseChannel, channelProblem } from '../../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodeInfo } from '../../../src/protocol/replies.ts'
import { maxListed, type Presence, type PresenceForm } from '../../../src/realtime/presence-table.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { callConversation } from '../../open-actors.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { TopicCommands } from './topic-commands.ts'

/** The `presence` and `presence_stats` commands. */
export class PresenceCommands {
  readonly #gateway: GatewayContext
  readonly #topics: TopicCommands

  constructor(gateway: GatewayContext, topics: TopicCommands) {
    this.#gateway = gateway
    this.#topics = topics
  }

  /** JSON text of a PresenceResult: the subscribed connections. */
  async list(session: Session, channel: string): Promise<string | Refusal> {
    const presence = await this.#read(session, channel, 'list')
    if (presence.kind === 'refused') return presence
    const { connections, clients } = presence
    if (connections > maxListed)
      return refuse('notAvailable', `more than ${maxListed} connections: ask for presence_stats`)
    return `{"presence":{${clients.map((info) => `${JSON.stringify(info.client)}:${encodeInfo(info)}`).join(',')}}}`
  }

  /** JSON text of a PresenceStatsResult: how many connections, how many users. */
  async stats(session: Session, channel: string): Promise<string | Refusal> {
    const presence = await this.#read(session, channel, 'figures')
    if (presence.kind === 'refused') return presence
    return JSON.stringify({ num_clients: presence.connections, num_users: presence.users })
  }

  async #read(session: Session, channel: string, form: PresenceForm): Promise<Presence | Refusal> {
    const { tenant, user, client } = session
    const parsed = parseChannel(channel)
    if (parsed === undefined) return channelProblem(channel)
    if (parsed.kind === 'topic') return await this.#topics.presence(session, parsed, channel, form)
    if (parsed.kind !== 'conversation')
      return refuse('notAvailable', 'presence anywhere but in conversations and topics')
    if (!(await this.#gateway.names.hasConversation(tenant, parsed.id))) return refuse('permissionDenied')
    const actor = { user, client, server: false }
    return await callConversation(
      this.#gateway.env,
      tenant,
      parsed.id,
      (conversation) => conversation.presence(actor, form),
      this.#gateway.names.areIdsChecked(tenant),
    )
  }
}
