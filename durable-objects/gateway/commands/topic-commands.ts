import type { Env } from '../../../src/env.ts'
import { whenReady, type Ready } from '../../../src/kernel/ready.ts'
import type { TopicName } from '../../../src/protocol/channels.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { Namespace } from '../../../src/protocol/namespaces-api.ts'
import { encodeHistory } from '../../../src/protocol/replies.ts'
import type { Presence, PresenceForm } from '../../../src/realtime/presence-table.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { mayPublish, mayReadHistory, maySeePresence } from '../../../src/topics/access.ts'
import { callTopic } from '../../open-actors.ts'
import { topicCallerOf } from '../channels/subscription-grants.ts'
import type { GatewayContext } from '../gateway-context.ts'

type Request<K extends Command['kind']> = Extract<Command, { kind: K }> extends { request: infer R } ? R : never

/** The commands of sessions for plain topics, except subscribing. Each is checked against the topic's namespace first. */
export class TopicCommands {
  readonly #env: Env
  readonly #gateway: GatewayContext

  constructor(gateway: GatewayContext) {
    this.#env = gateway.env
    this.#gateway = gateway
  }

  /** Why the session may not publish to a topic; undefined when it may. */
  mayPublish(session: Session, name: TopicName, channel: string): Ready<Refusal | undefined> {
    return this.#allowed(session, name, (namespace) => mayPublish(namespace, channel, topicCallerOf(session, channel)))
  }

  /** JSON text of a HistoryResult. */
  async history(session: Session, name: TopicName, request: Request<'history'>): Promise<string | Refusal> {
    const { channel, limit, reverse, since } = request
    const denied = await this.#allowed(session, name, (namespace) =>
      mayReadHistory(namespace, channel, name, topicCallerOf(session, channel)),
    )
    if (denied !== undefined) return denied
    const rules = this.#gateway.namespaces.rules(session.tenant, channel)
    if (rules === undefined) return refuse('unknownChannel')
    const query = { limit, reverse, ...(since === undefined ? {} : { since }) }
    const page = await callTopic(this.#env, session.tenant, channel, session.subscriptions.has(channel), (topic) =>
      topic.history(rules, query),
    )
    return page.kind === 'refused' ? page : encodeHistory(page)
  }

  /** The connections that are subscribed now, or how many there are. */
  async presence(session: Session, name: TopicName, channel: string, form: PresenceForm): Promise<Presence | Refusal> {
    const denied = await this.#allowed(session, name, (namespace) =>
      maySeePresence(namespace, channel, name, topicCallerOf(session, channel)),
    )
    const isKnown = session.subscriptions.has(channel)
    return denied ?? (await callTopic(this.#env, session.tenant, channel, isKnown, (topic) => topic.presence(form)))
  }

  #allowed(
    session: Session,
    name: TopicName,
    decide: (namespace: Namespace) => Refusal | undefined,
  ): Ready<Refusal | undefined> {
    const { namespaces, clock } = this.#gateway
    return whenReady(namespaces.find(session.tenant, name, clock.now()), (known) =>
      known.kind === 'refused' ? known : decide(known.namespace),
    )
  }
}
