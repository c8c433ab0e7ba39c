import type { z } from 'zod'
import { reportTyping } from '../../../src/conversations/commands/report-typing.ts'
import type { Env } from '../../../src/env.ts'
import { log } from '../../../src/kernel/log.ts'
import { conversationChannel } from '../../../src/protocol/channels.ts'
import { explain } from '../../../src/protocol/explain.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import { readGiven, type GivenJson } from '../../../src/protocol/given-json.ts'
import { GivenBytes } from '../../../src/protocol/publication-data.ts'
import { encodeRefusal, encodeReply } from '../../../src/protocol/replies.ts'
import type { StreamResult, StreamVerb } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { ChannelCalls } from '../channels/channel-calls.ts'
import { commandDueMs, type GatewayContext } from '../gateway-context.ts'
import type { MessageSender } from './message-sender.ts'

/** The data of a command. */
export type Data = GivenJson | GivenBytes | undefined
type Settle = (result: StreamResult) => void

/** What the commands of a session need: replies, the parser of payloads, rate limits, and the channels. */
export class CommandContext {
  readonly env: Env
  readonly names: GatewayContext['names']
  readonly messages: MessageSender
  readonly gateway: GatewayContext
  readonly #calls: ChannelCalls

  constructor(gateway: GatewayContext, calls: ChannelCalls, messages: MessageSender) {
    this.env = gateway.env
    this.names = gateway.names
    this.gateway = gateway
    this.#calls = calls
    this.messages = messages
  }

  /** Refuses a command. One that failed on our side is logged by connection and command id, which name it to the client too. */
  refuse(session: Session, id: number, refusal: Refusal): void {
    if (refusal.error === 'internal')
      log.warn('gateway.command-failed', { client: session.client, command: id, reason: refusal.detail })
    this.gateway.sockets.write(session, encodeRefusal(id, refusal))
  }

  /** Waits for an actor as long as a client may wait for a command. */
  inTime<T>(what: string, work: Promise<T>): Promise<T> {
    return this.gateway.deadlines.within(commandDueMs, what, work)
  }

  /** `result` is JSON text of the result object. */
  reply(session: Session, id: number, kind: string, result: string): void {
    this.gateway.sockets.write(session, encodeReply(id, kind, result))
  }

  /** Parses a payload, or refuses it by field and rule and returns undefined. */
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

  /** Sends a command to a channel's stream, without counting it as a message. */
  execute(session: Session, channel: string, verb: StreamVerb, settle: Settle): void {
    this.#calls.execute(session, channel, verb, settle)
  }

  /** Sends a command to a conversation; its result is the reply to an rpc. */
  ask(session: Session, id: number, conversation: string, verb: StreamVerb): void {
    this.execute(session, conversationChannel(conversation), verb, (result) => this.answer(session, id, result))
  }

  /** Replies to an rpc with the result of its command. */
  answer(session: Session, id: number, result: StreamResult): void {
    if (result.kind === 'done') this.reply(session, id, 'rpc', `{"data":${result.data}}`)
    else this.refuse(session, id, result.kind === 'refused' ? result : refuse('internal'))
  }

  /** Whether the connection may send another command that is no message; if not, the command is refused. */
  admits(session: Session, id: number): boolean {
    const taken = this.gateway.takeCommand(session)
    if (taken.kind === 'taken') return true
    const settle = (result: Refusal) => this.refuse(session, id, result)
    this.gateway.refuseTooFast(session, session.frames, 'commands', taken.retryAfterMs, settle)
    return false
  }

  /** Tells a conversation that the user types: at most once in three seconds, and once after each message. */
  typing(session: Session, conversation: string, settle: Settle): void {
    const { connectionLimits, clock } = this.gateway
    const channel = conversationChannel(conversation)
    const typing = connectionLimits.typing(session, channel, clock.now())
    if (typing.kind === 'repeated') return settle({ kind: 'done', data: '{}' })
    if (typing.kind === 'limited')
      return this.gateway.refuseTooFast(session, session.frames, 'typing', typing.retryAfterMs, settle)
    this.execute(session, channel, reportTyping.verb({}), (result) => {
      if (result.kind === 'refused') connectionLimits.endTyping(session, channel)
      settle(result)
    })
  }
}
