import type { Env } from '../../../src/env.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { randomToken } from '../../../src/kernel/id.ts'
import { whenReady, type Ready } from '../../../src/kernel/ready.ts'
import type { TopicName } from '../../../src/protocol/channels.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { carry } from '../../../src/protocol/given-json.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import { encodeHistory, type ClientInfo } from '../../../src/protocol/replies.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import { infosOf } from '../../../src/realtime/hub.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { mayPublish, mayReadHistory, maySeePresence } from '../../../src/topics/access.ts'
import type { Namespace } from '../../../src/protocol/namespaces-api.ts'
import { topicOf } from '../../address.ts'
import { topicCallerOf } from '../channels/subscription-grants.ts'
import type { NamespaceCache } from '../channels/namespace-cache.ts'
import type { ChannelClient } from '../channels/channel-client.ts'

type Request<K extends Command['kind']> = Extract<Command, { kind: K }> extends { request: infer R } ? R : never

/** What a topic desk works with. */
export interface TopicCommandsContext {
  readonly env: Env
  readonly channels: ChannelClient
  readonly namespaces: NamespaceCache
  readonly clock: Clock
}

/** What sessions do with plain topics beside listening. Each thing is checked against the namespace first. */
export class TopicCommands {
  readonly #context: TopicCommandsContext
  readonly #name = randomToken(8)
  #said = 0

  constructor(parts: TopicCommandsContext) {
    this.#context = parts
  }

  /** Whether the session may publish what it wants to; then `go` does it. */
  publish(
    session: Session,
    name: TopicName,
    { channel, data }: Request<'publish'>,
    answer: (result: StreamResult) => void,
    counted: (work: () => void) => void,
  ): void {
    if (data === undefined) return answer(refuse('badRequest', 'data: must be there'))
    const said = carry(data, sizes.frameBytes)
    if ('bad' in said) return answer(refuse('badRequest', `data: ${said.bad}`))
    const allowed = this.#allowed(session, name, (namespace) =>
      mayPublish(namespace, channel, topicCallerOf(session, channel)),
    )
    void whenReady(allowed, (denied) => {
      if (denied !== undefined) return answer(denied)
      const infos = infosOf(session, session.subscriptions.get(channel)?.terms)
      const once = `${this.#name}${this.#said++}`
      const verb = { kind: 'publish' as const, data: said.data, infos, once }
      counted(() => this.#context.channels.execute(session, channel, verb, answer))
    })
  }

  /** JSON text of a HistoryResult. */
  async history(session: Session, name: TopicName, request: Request<'history'>): Promise<string | Refusal> {
    const { channel, limit, reverse, since } = request
    const denied = await this.#allowed(session, name, (namespace) =>
      mayReadHistory(namespace, channel, name, topicCallerOf(session, channel)),
    )
    if (denied !== undefined) return denied
    const rules = this.#context.namespaces.rules(session.tenant, channel)
    if (rules === undefined) return refuse('unknownChannel')
    const query = { limit, reverse, ...(since === undefined ? {} : { since }) }
    const page = await topicOf(this.#context.env, session.tenant, channel).history(rules, query)
    return page.kind === 'refused' ? page : encodeHistory(page)
  }

  /** Every connection that listens now. */
  async presence(session: Session, name: TopicName, channel: string): Promise<readonly ClientInfo[] | Refusal> {
    const denied = await this.#allowed(session, name, (namespace) =>
      maySeePresence(namespace, channel, name, topicCallerOf(session, channel)),
    )
    return denied ?? (await topicOf(this.#context.env, session.tenant, channel).presence())
  }

  #allowed(
    session: Session,
    name: TopicName,
    decide: (namespace: Namespace) => Refusal | undefined,
  ): Ready<Refusal | undefined> {
    const { namespaces, clock } = this.#context
    return whenReady(namespaces.find(session.tenant, name, clock.now()), (known) =>
      known.kind === 'refused' ? known : decide(known.namespace),
    )
  }
}
