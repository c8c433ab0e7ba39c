import { randomToken } from '../../../src/kernel/id.ts'
import { whenReady } from '../../../src/kernel/ready.ts'
import { parseChannel, channelProblem, type TopicName } from '../../../src/protocol/channels.ts'
import type { Command } from '../../../src/protocol/commands.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import { carry } from '../../../src/protocol/publication-data.ts'
import { sizes } from '../../../src/protocol/limits.ts'
import { publishPayload, toContent } from '../../../src/protocol/payloads.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import { infosOf } from '../../../src/realtime/hub.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { CommandContext } from './command-context.ts'
import type { TopicCommands } from './topic-commands.ts'

type Request = Extract<Command, { kind: 'publish' }>['request']

/** The `publish` command: a message in a conversation, or a publication of a plain topic. */
export class Publishing {
  readonly #context: CommandContext
  readonly #topics: TopicCommands
  /** Names each publication to a topic, so that a repeated call publishes it once. */
  readonly #prefix = randomToken(8)
  #published = 0

  constructor(context: CommandContext, topics: TopicCommands) {
    this.#context = context
    this.#topics = topics
  }

  publish(session: Session, id: number, request: Request): void {
    const context = this.#context
    const channel = parseChannel(request.channel)
    if (request.type !== 0) return context.refuse(session, id, refuse('notAvailable', 'map publications'))
    if (channel === undefined) return context.refuse(session, id, channelProblem(request.channel))
    const settle = (result: StreamResult) => {
      if (result.kind === 'refused') context.refuse(session, id, result)
      else context.reply(session, id, 'publish', '{}')
    }
    if (channel.kind === 'topic') return this.#toTopic(session, channel, request, settle)
    if (channel.kind !== 'conversation') return settle(refuse('permissionDenied'))
    const payload = context.parse(session, id, publishPayload, request.data)
    if (payload === undefined) return
    const { type: _, ...content } = payload
    context.messages.send(session, request.channel, toContent(content), settle)
  }

  #toTopic(
    session: Session,
    name: TopicName,
    { channel, data }: Request,
    settle: (result: StreamResult) => void,
  ): void {
    if (data === undefined) return settle(refuse('badRequest', 'data: must be there'))
    const carried = carry(data, sizes.frameBytes)
    if ('bad' in carried) return settle(refuse('badRequest', `data: ${carried.bad}`))
    void whenReady(this.#topics.mayPublish(session, name, channel), (denied) => {
      if (denied !== undefined) return settle(denied)
      const infos = infosOf(session, session.subscriptions.get(channel)?.terms)
      const once = `${this.#prefix}${this.#published++}`
      const verb = { kind: 'publish' as const, data: carried.data, infos, once }
      this.#context.messages.limited(session, channel, settle, () =>
        this.#context.execute(session, channel, verb, settle),
      )
    })
  }
}
