import { DependencyError } from '../../../src/adapters/dependency.ts'
import type { z } from 'zod'
import type { Env } from '../../../src/env.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { conversationChannel, parseChannel, whyNoChannel, type TopicName } from '../../../src/protocol/channels.ts'
import { explain, type Command } from '../../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { GivenBytes, GivenJson, readGiven } from '../../../src/protocol/given-json.ts'
import { publishPayload, signalPayload, toContent, type MessageContent } from '../../../src/protocol/payloads.ts'
import { encodeRefusal, encodeReply } from '../../../src/protocol/replies.ts'
import type { StreamResult, StreamVerb } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { TenantCache } from '../../../src/tenants/cache.ts'
import { History } from './history.ts'
import type { ConnectionLimits } from '../../../src/limits/connection-limits.ts'
import type { NameDirectory } from '../channels/name-directory.ts'
import type { NamespaceCache } from '../channels/namespace-cache.ts'
import type { MessageLimits } from './message-limits.ts'
import { callMethod } from './rpc-methods.ts'
import { presence, presenceStats } from './presence.ts'
import type { Sockets } from '../transport/sockets.ts'
import type { ChannelClient } from '../channels/channel-client.ts'
import type { Subscriptions } from '../channels/subscriptions.ts'
import { TopicCommands } from './topic-commands.ts'

/** What a desk works with. */
export interface CommandContext {
  readonly env: Env
  readonly sockets: Sockets
  readonly channels: ChannelClient
  readonly namespaces: NamespaceCache
  readonly subscriptions: Subscriptions
  readonly limits: MessageLimits
  readonly names: NameDirectory
  readonly connections: ConnectionLimits
  readonly tenants: TenantCache
  readonly clock: Clock
}

/** What a client says in a command. */
export type Data = GivenJson | GivenBytes | undefined

type Handled = Exclude<Command['kind'], 'connect' | 'refresh' | 'pong'>
type Of<K extends Command['kind']> = Extract<Command, { kind: K }>
type Handlers = { readonly [K in Handled]: (session: Session, command: Of<K>) => void }

/** What anybody may ask for until her tenant's record is heard of, per second. */
const commandsAtFirst = 50
/** Commands that count as such. Leaving is never refused, and messages and rpc methods are counted by what they do. */
const countedHere: ReadonlySet<Handled> = new Set([
  'subscribe',
  'history',
  'presence',
  'presence_stats',
  'sub_refresh',
  'ping',
])

/** Where the commands of connected sessions are dealt with, one line each. */
export class CommandRouter {
  readonly #context: CommandContext
  readonly #topics: TopicCommands
  readonly #history: History

  constructor(parts: CommandContext) {
    this.#context = parts
    this.#topics = new TopicCommands(parts)
    this.#history = new History(parts.env, parts.names, this.#topics)
  }

  readonly #handlers: Handlers = {
    subscribe: (session, command) => this.#context.subscriptions.subscribe(session, command),
    unsubscribe: (session, { id, request }) => this.#context.subscriptions.unsubscribe(session, id, request.channel),
    sub_refresh: (session, command) => void this.#context.subscriptions.refresh(session, command),
    publish: (session, command) => this.#publish(session, command),
    rpc: (session, { id, request }) => callMethod(this, session, id, request),
    send: (session, { request }) => this.#signal(session, request.data),
    history: (session, { id, request }) => this.#later(session, id, 'history', this.#history.page(session, request)),
    presence: (session, { id, request }) =>
      this.#later(session, id, 'presence', presence(this.#context, this.#topics, session, request.channel)),
    presence_stats: (session, { id, request }) =>
      this.#later(session, id, 'presence_stats', presenceStats(this.#context, this.#topics, session, request.channel)),
    ping: (session, { id }) => this.refuse(session, id, refuse('notAvailable')),
  }

  handle(session: Session, command: Extract<Command, { kind: Handled }>): void {
    const { kind } = command
    if (countedHere.has(kind) && !this.admits(session, command.id)) return
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table has a handler of this very kind
    const handler = this.#handlers[kind] as (session: Session, command: Command) => void
    handler(session, command)
  }

  get context(): CommandContext {
    return this.#context
  }

  refuse(session: Session, id: number, refusal: Refusal): void {
    this.#context.sockets.write(session, encodeRefusal(id, refusal))
  }

  reply(session: Session, id: number, kind: string, result: string): void {
    this.#context.sockets.write(session, encodeReply(id, kind, result))
  }

  /** Parses a payload or refuses it by field and rule. */
  parse<S extends z.ZodType>(session: Session, id: number, schema: S, data: Data): z.output<S> | undefined {
    if (data instanceof GivenBytes) {
      if (this.admits(session, id)) this.refuse(session, id, refuse('badRequest', 'data: must be JSON text in UTF-8'))
      return undefined
    }
    const parsed = data === undefined ? schema.safeParse(data) : readGiven(schema, data)
    if (parsed.success) return parsed.data
    if (this.admits(session, id)) this.refuse(session, id, refuse('invalidPayload', explain(parsed.error)))
    return undefined
  }

  /** Asks a conversation; the result is the rpc's. */
  ask(session: Session, id: number, conversation: string, verb: StreamVerb): void {
    this.#context.channels.execute(session, conversationChannel(conversation), verb, (result) =>
      this.#answerRpc(session, id, result),
    )
  }

  /** A message, once the sender's bucket lets it through. */
  send(session: Session, channel: string, content: MessageContent, answer: (result: StreamResult) => void): void {
    this.limited(session, channel, answer, () => {
      this.#context.connections.notTyped(session, channel)
      this.#context.channels.execute(session, channel, { kind: 'send', content }, answer)
    })
  }

  /** Does `work` if the sender's bucket has a token. Messages of one session keep their order while a lease is fetched. */
  limited(session: Session, channel: string, answer: (result: StreamResult) => void, work: () => void): void {
    const { limits, clock } = this.#context
    const { frames } = session
    const decide = (taken: Awaited<ReturnType<MessageLimits['take']>>) => {
      if (taken.kind === 'taken') return work()
      answer(refuse('tooManyRequests', `wait ${taken.retryAfterMs} ms`, taken.retryAfterMs))
      this.#refused(session, frames)
    }
    const taken = limits.take(session.tenant, senderOf(session), channel, () => clock.now(), session.client)
    if (!(taken instanceof Promise)) return decide(taken)
    taken.then(decide, (thrown: unknown) => {
      log.error('gateway.limit-failed', { why: reasonOf(thrown) })
      answer(refuse('internal', 'the rate limiter could not be reached'))
    })
  }

  /** Whether the connection may ask for something that is no message; if not, it is told so. */
  admits(session: Session, id: number): boolean {
    const { connections, tenants, clock } = this.#context
    const now = clock.now()
    const perSecond = tenants.lately(session.tenant, now)?.limits.commandsPerSecondConnection ?? commandsAtFirst
    const waitMs = connections.command(session, perSecond, now)
    if (waitMs === 0) return true
    this.refuse(session, id, refuse('tooManyRequests', `commands: wait ${waitMs} ms`, waitMs))
    this.#refused(session, session.frames)
    return false
  }

  /** Tells a conversation that its user types, at most once in three seconds and once after each message. */
  typing(session: Session, conversation: string, settle: (result: StreamResult) => void): void {
    const { connections, clock, channels: streams } = this.#context
    const channel = conversationChannel(conversation)
    const typing = connections.typing(session, channel, clock.now())
    if (typing.kind === 'told') return settle({ kind: 'done', data: '{}' })
    if (typing.kind === 'limited') {
      settle(refuse('tooManyRequests', `typing: wait ${typing.retryAfterMs} ms`, typing.retryAfterMs))
      return this.#refused(session, session.frames)
    }
    streams.execute(session, channel, { kind: 'typing' }, (result) => {
      if (result.kind === 'refused') connections.notTyped(session, channel)
      settle(result)
    })
  }

  #publish(session: Session, { id, request }: Of<'publish'>): void {
    const channel = parseChannel(request.channel)
    if (request.type !== 0) return this.refuse(session, id, refuse('notAvailable', 'map publications'))
    if (channel === undefined) return this.refuse(session, id, whyNoChannel(request.channel))
    if (channel.kind === 'topic') return this.#publishTopic(session, id, channel, request)
    if (channel.kind !== 'conversation') return this.refuse(session, id, refuse('permissionDenied'))
    const payload = this.parse(session, id, publishPayload, request.data)
    if (payload === undefined) return
    const { type: _, ...content } = payload
    this.send(session, request.channel, toContent(content), this.#published(session, id))
  }

  #publishTopic(session: Session, id: number, name: TopicName, request: Of<'publish'>['request']): void {
    const answer = this.#published(session, id)
    this.#topics.publish(session, name, request, answer, (work) => this.limited(session, request.channel, answer, work))
  }

  #published(session: Session, id: number): (result: StreamResult) => void {
    return (result) => {
      if (result.kind === 'refused') this.refuse(session, id, result)
      else this.reply(session, id, 'publish', '{}')
    }
  }

  /** A message without an id: there is nobody to tell what is wrong with it. */
  #signal(session: Session, data: Data): void {
    const signal = signalPayload.safeParse(data instanceof GivenJson ? data.value : undefined)
    if (signal.success) this.typing(session, signal.data.conversation, () => undefined)
  }

  #answerRpc(session: Session, id: number, result: StreamResult): void {
    if (result.kind === 'refused') this.refuse(session, id, result)
    else if (result.kind === 'done') this.reply(session, id, 'rpc', `{"data":${result.data}}`)
    else this.refuse(session, id, refuse('internal'))
  }

  #later(session: Session, id: number, kind: string, work: Promise<string | Refusal>): void {
    work.then(
      (result) =>
        typeof result === 'string' ? this.reply(session, id, kind, result) : this.refuse(session, id, result),
      (thrown: unknown) => {
        log.warn(`gateway.${kind}-failed`, { why: reasonOf(thrown) })
        const detail = thrown instanceof DependencyError ? `${thrown.message}; try again` : 'try again'
        this.refuse(session, id, refuse('internal', detail))
      },
    )
  }

  /** Closes a connection that is refused again and again; `frame` is the number of the frame the command came in. */
  #refused(session: Session, frame: number): void {
    const { connections, clock, sockets } = this.#context
    if (connections.refused(session, frame, clock.now())) sockets.close(session, 'tooManyRequests')
  }
}

/** Whose bucket pays. Those without a name have one for each connection. */
const senderOf = ({ user, client }: Session) => (user === '' ? `~${client}` : user)
