import { DependencyError } from '../../../src/adapters/dependency.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { TooManyActors } from '../../../src/limits/open-actors.ts'
import { plainSend, sendMessage } from '../../../src/conversations/commands/send-message.ts'
import { conversationChannel } from '../../../src/protocol/channels.ts'
import type { Command, RpcRequest } from '../../../src/protocol/commands.ts'
import { refuse, refuseTooFast, type Refusal } from '../../../src/protocol/errors.ts'
import { GivenJson } from '../../../src/protocol/given-json.ts'
import { signalPayload } from '../../../src/protocol/payloads.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { ChannelClient } from '../channels/channel-client.ts'
import type { Subscriptions } from '../channels/subscriptions.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { CommandContext, type Data } from './command-context.ts'
import { History } from './history.ts'
import type { MessageSender } from './message-sender.ts'
import { PresenceCommands } from './presence.ts'
import { Publishing } from './publishing.ts'
import { callMethod } from './rpc-methods.ts'
import { TopicCommands } from './topic-commands.ts'

type Handled = Exclude<Command['kind'], 'connect' | 'refresh' | 'pong'>
type Of<K extends Command['kind']> = Extract<Command, { kind: K }>
type Handlers = { readonly [K in Handled]: (session: Session, command: Of<K>) => void }

/**
 * Commands that count against the connection's limit here. Unsubscribing is never refused; messages and rpc methods are
 * counted by what they do.
 */
const countedHere: ReadonlySet<Handled> = new Set([
  'subscribe',
  'history',
  'presence',
  'presence_stats',
  'sub_refresh',
  'ping',
])

/** Routes the commands of connected sessions to their handlers, one line each. */
export class CommandRouter {
  readonly #handlers: Handlers
  readonly #context: CommandContext

  constructor(gateway: GatewayContext, channels: ChannelClient, subscriptions: Subscriptions, messages: MessageSender) {
    const context = new CommandContext(gateway, channels.calls, messages)
    const topics = new TopicCommands(gateway)
    const history = new History(gateway, topics)
    const presence = new PresenceCommands(gateway, topics)
    const publishing = new Publishing(context, topics)
    this.#context = context
    this.#handlers = {
      subscribe: (session, command) => subscriptions.subscribe(session, command),
      unsubscribe: (session, { id, request }) => subscriptions.unsubscribe(session, id, request.channel),
      sub_refresh: (session, command) => void subscriptions.refresh(session, command),
      publish: (session, { id, request }) => publishing.publish(session, id, request),
      rpc: (session, { id, request }) => this.#rpc(session, id, request),
      send: (session, { request }) => this.#message(session, request.data),
      history: (session, { id, request }) => this.#later(session, id, 'history', history.page(session, request)),
      presence: (session, { id, request }) =>
        this.#later(session, id, 'presence', presence.list(session, request.channel)),
      presence_stats: (session, { id, request }) =>
        this.#later(session, id, 'presence_stats', presence.stats(session, request.channel)),
      ping: (session, { id }) => context.refuse(session, id, refuse('notAvailable')),
    }
  }

  handle(session: Session, command: Extract<Command, { kind: Handled }>): void {
    const { kind } = command
    if (countedHere.has(kind) && !this.#context.admits(session, command.id)) return
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table has a handler of this very kind
    const handler = this.#handlers[kind] as (session: Session, command: Command) => void
    handler(session, command)
  }

  /** A message of text alone, the most frequent command by far, is read without its schema and sent at once. */
  #rpc(session: Session, id: number, request: RpcRequest): void {
    const context = this.#context
    const plain = request.method === sendMessage.name ? plainSend(request.value) : undefined
    if (plain === undefined) return callMethod(context, session, id, request)
    const { conversation, clientId, text } = plain
    context.messages.send(session, conversationChannel(conversation), { clientId, text }, (result) =>
      context.answer(session, id, result),
    )
  }

  /** An asynchronous message, which has no reply: one that breaks a rule is dropped. */
  #message(session: Session, data: Data): void {
    const parsed = signalPayload.safeParse(data instanceof GivenJson ? data.value : undefined)
    if (parsed.success) this.#context.typing(session, parsed.data.conversation, () => undefined)
  }

  #later(session: Session, id: number, kind: string, work: Promise<string | Refusal>): void {
    this.#context.inTime(kind, work).then(
      (result) =>
        typeof result === 'string'
          ? this.#context.reply(session, id, kind, result)
          : this.#context.refuse(session, id, result),
      (thrown: unknown) => {
        if (thrown instanceof TooManyActors)
          return this.#context.refuse(session, id, refuseTooFast('actors', thrown.retryAfterMs))
        log.warn(`gateway.${kind}-failed`, { client: session.client, command: id, reason: reasonOf(thrown) })
        const detail = thrown instanceof DependencyError ? `${thrown.message}; try again` : 'try again'
        this.#context.refuse(session, id, refuse('internal', detail))
      },
    )
  }
}
