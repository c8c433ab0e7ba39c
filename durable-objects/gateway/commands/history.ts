import { withoutDeleted } from '../../../src/history/amend.ts'
import { readHistory } from '../../../src/adapters/cold-history.ts'
import { parseChannel, channelProblem } from '../../../src/protocol/channels.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { encodeHistory } from '../../../src/protocol/replies.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { shardReaderOf, tenantOf } from '../../address.ts'
import { callConversation } from '../../open-actors.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { TopicCommands } from './topic-commands.ts'

type HistoryRequest = Extract<Command, { kind: 'history' }>['request']

/**
 * The `history` command. The conversation answers with the entries it holds and the seqs it no longer holds; those are read
 * here from Postgres, so that no conversation waits for Postgres, and only the connection that asked for old entries does.
 */
export class History {
  readonly #gateway: GatewayContext
  readonly #topics: TopicCommands

  constructor(gateway: GatewayContext, topics: TopicCommands) {
    this.#gateway = gateway
    this.#topics = topics
  }

  /** JSON text of a HistoryResult. */
  async page(session: Session, request: HistoryRequest): Promise<string | Refusal> {
    const channel = parseChannel(request.channel)
    if (channel === undefined) return channelProblem(request.channel)
    if (channel.kind === 'topic') return await this.#topics.history(session, channel, request)
    if (channel.kind !== 'conversation')
      return refuse('notAvailable', 'history of anything but conversations and topics')

    const { tenant, user, client } = session
    if (!(await this.#gateway.names.hasConversation(tenant, channel.id))) return refuse('permissionDenied')
    const { env, name } = this.#gateway
    const region = name.slice(0, name.indexOf('/'))
    const { limit, reverse, since } = request
    const query = { limit, reverse, ...(since === undefined ? {} : { since }) }
    const answer = await readHistory(env, { tenant, conversation: channel.id }, query, {
      history: (asked) =>
        callConversation(
          env,
          tenant,
          channel.id,
          (conversation) => conversation.history({ user, client, server: false }, asked),
          this.#gateway.names.areIdsChecked(tenant),
        ),
      placement: () => tenantOf(env, tenant).placement(),
      readPage: (shard, log, page) => shardReaderOf(env, shard, log.conversation).page(log, { ...page, region }),
      ahead: { reader: client, pay: () => this.#gateway.takeCommand(session).kind === 'taken' },
    })
    if (answer.kind === 'refused') return answer
    const publications = withoutDeleted(answer.publications, answer.amendments)
    return encodeHistory({ ...answer, publications })
  }
}
