import type { Env } from '../../src/env.ts'
import { withoutDeleted } from '../../src/history/amend.ts'
import { completePage } from '../../src/history/page.ts'
import { coldHistory } from '../../src/adapters/cold-history.ts'
import { parseChannel } from '../../src/protocol/channels.ts'
import type { Command } from '../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { encodePublication } from '../../src/protocol/replies.ts'
import type { Session } from '../../src/realtime/session.ts'
import { conversationOf, tenantOf } from '../address.ts'

type HistoryRequest = Extract<Command, { kind: 'history' }>['request']

/**
 * Scrollback for sessions. The conversation says what it holds and what lies behind it; what lies behind is read here,
 * so that no conversation ever waits for Postgres and only the one who asked for old pages does.
 */
export class History {
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  /** JSON text of a HistoryResult. */
  async page({ tenant, user, client }: Session, request: HistoryRequest): Promise<string | Refusal> {
    const channel = parseChannel(request.channel)
    if (channel === undefined) return refuse('unknownChannel')
    if (channel.kind !== 'conversation') return refuse('notAvailable', 'history of anything but a conversation')

    const { limit, reverse, since } = request
    const query = { limit, reverse, ...(since === undefined ? {} : { since }) }
    const answer = await conversationOf(this.#env, tenant, channel.id).history({ user, client, server: false }, query)
    if (answer.kind === 'refused') return answer

    const cold = coldHistory(this.#env, { tenant, placement: () => tenantOf(this.#env, tenant).placement() })
    const page = await completePage(answer, reverse, (range) => cold.read(channel.id, answer.epoch, range))
    const publications = withoutDeleted(page, answer.amendments)
    return `{"publications":[${publications.map(encodePublication).join(',')}],"epoch":${JSON.stringify(answer.epoch)},"offset":${answer.top}}`
  }
}
