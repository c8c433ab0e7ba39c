import { z } from 'zod'
import { messageText } from '../load/tally.ts'
import { numberIn, sent, type Answer, type Publication } from './answers.ts'
import type { Api } from './api.ts'
import type { Conversation } from './conversation.ts'
import type { Figures } from './figures.ts'
import type { Findings } from './findings.ts'
import { Stream } from './stream.ts'
import { Session } from './session.ts'

/** What all people of the soak share. */
export interface World {
  readonly url: URL
  readonly api: Api
  readonly figures: Figures
  readonly findings: Findings
}

/** A message until it is answered: over as many connections as it takes, always under the same clientId. */
interface Said {
  readonly n: number
  readonly conversation: Conversation
  readonly deliverAt?: number
}

const tokenAnswer = z.object({ token: z.string() })
const historyPage = 300

/**
 * A user that disconnects and reconnects with its last positions. Messages without an answer are sent again after the
 * reconnect, so in the end all of them are known to be stored.
 */
export class Person {
  readonly name: string
  readonly topic: string
  readonly #world: World
  readonly #streams = new Map<string, Stream>()
  readonly #conversations = new Map<string, Conversation>()
  readonly #unanswered = new Map<number, Said>()
  /** Channels whose subscription is on its way. */
  readonly #asked = new Set<string>()
  #session: Session | undefined
  #own: { readonly n: number; readonly seq: number; readonly conversation: Conversation } | undefined
  /** When the user connects or disconnects next. */
  movesAt = 0
  isOnHerWay = false
  onLost: () => void = () => undefined

  constructor(name: string, topic: string, world: World) {
    this.name = name
    this.topic = topic
    this.#world = world
  }

  get isHere(): boolean {
    return this.#session !== undefined
  }

  get isAnswered(): boolean {
    return this.#unanswered.size === 0
  }

  get longestWait(): number {
    return this.#session?.longestWait ?? 0
  }

  belongsTo(conversation: Conversation): void {
    this.#conversations.set(conversation.channel, conversation)
  }

  /** It is over, and need not be remembered. */
  forget({ channel }: Conversation): void {
    this.#conversations.delete(channel)
    this.#streams.delete(channel)
  }

  /** Where the user may write now. */
  get listeningTo(): Conversation[] {
    return [...this.#conversations.values()].filter(({ channel }) => this.#streams.get(channel)?.isOpen === true)
  }

  /** The last entry received there; undefined while not subscribed. */
  positionIn({ channel }: Conversation): number | undefined {
    const stream = this.#streams.get(channel)
    return stream?.isOpen === true ? stream.place?.offset : undefined
  }

  /** Connects, subscribes where messages are sent, and repeats what was not answered; throws when that fails. */
  async arrive(): Promise<'here' | 'busy'> {
    const { api, url, figures } = this.#world
    const answer = await api.call('POST', '/v1/tokens', tokenAnswer, { user: this.name })
    if (answer === undefined) return 'busy'
    const session = await Session.open(url, answer.token, {
      onPublication: (channel, publication) => this.#receive(channel, publication),
      onUnsubscribed: (channel, code) =>
        this.#wrong('unsubscribed', `${channel} was unsubscribed by the server: ${code}`),
      onLost: (reason) => this.#lose(reason),
    })
    if (session === 'busy') {
      figures.error('111')
      return 'busy'
    }
    this.#session = session
    figures.count('connects')
    this.#listenTo(this.topic)
    for (const conversation of this.#conversations.values()) if (conversation.isAwake) this.listen(conversation)
    for (const said of this.#unanswered.values()) {
      figures.count('said again')
      this.#send(said, performance.now())
    }
    return 'here'
  }

  leave(how: 'clean' | 'abrupt'): void {
    const session = this.#session
    this.#gone()
    this.#world.figures.count(how === 'clean' ? 'goodbyes' : 'resets')
    session?.end(how)
  }

  /** One who was never there begins where the soak itself is, as an app that remembers a place would. */
  listen({ channel, deliveries, epoch }: Conversation): void {
    if (!this.#streams.has(channel)) this.#streams.set(channel, new Stream({ offset: deliveries.top, epoch }))
    this.#listenTo(channel)
  }

  unlisten({ channel }: Conversation): void {
    if (this.#streams.get(channel)?.isOpen !== true) return
    this.#session?.command({ unsubscribe: { channel } }, (answer) => {
      this.#streams.get(channel)?.leave()
      this.#expectAnswer('unsubscribe', answer)
    })
  }

  say(conversation: Conversation, n: number, due: number): void {
    this.#insist({ n, conversation }, due)
  }

  sayLater(conversation: Conversation, n: number, inMs: number): void {
    this.#insist({ n, conversation, deliverAt: Date.now() + Math.round(inMs) }, performance.now())
  }

  /** Edits the user's newest message; its number stays in the text. */
  edit(): void {
    if (this.#own === undefined) return
    const { n, seq, conversation } = this.#own
    this.rpc('message.edit', { conversation: conversation.id, seq, text: `${messageText(n)} (edited)` })
  }

  read(conversation: Conversation): void {
    this.rpc('conversation.read', { conversation: conversation.id, seq: this.positionIn(conversation) ?? 0 })
  }

  rpc(method: string, data: object): void {
    this.ask(method, { rpc: { method, data } })
  }

  /** A command whose answer must be a success and is of no further interest. */
  ask(what: string, command: object): void {
    if (this.#session === undefined) return
    this.#world.figures.count(what)
    this.#session.command(command, (answer) => this.#expectAnswer(what, answer))
  }

  #listenTo(channel: string): void {
    const stream = this.#streams.get(channel) ?? new Stream()
    this.#streams.set(channel, stream)
    if (stream.isOpen || this.#asked.has(channel)) return
    this.#asked.add(channel)
    const { place } = stream
    const recover = place === undefined ? {} : { recover: true, ...place }
    this.#session?.command({ subscribe: { channel, join_leave: true, ...recover } }, (answer) =>
      this.#joined(channel, stream, answer),
    )
  }

  #joined(channel: string, stream: Stream, answer: Answer): void {
    this.#asked.delete(channel)
    if (answer.kind === 'busy') this.#again(answer.retryAfterMs, () => this.#listenTo(channel))
    if (!this.#expectAnswer(`subscribe to ${channel}`, answer) || answer.line.subscribe === undefined) return
    const { offset, epoch, was_recovering, recovered, publications } = answer.line.subscribe
    const joined = stream.join({ offset, epoch, wasRecovering: was_recovering, recovered })
    if (recovered) this.#world.figures.count('recoveries')
    if (joined.kind === 'wrong') this.#wrong('recovery', `${channel} ${joined.what}`)
    if (joined.kind === 'behind') void this.#pageThrough(channel, joined.from.offset, offset)
    for (const publication of publications) this.#receive(channel, publication)
  }

  /** Reads what was too much to recover. Topics keep little, so there it is gone, as it may be. */
  async #pageThrough(channel: string, from: number, to: number): Promise<void> {
    const conversation = this.#conversations.get(channel)
    if (conversation === undefined) return
    this.#world.figures.count('returns by history')
    const reading = new Stream({ offset: from, epoch: conversation.epoch })
    for (let at = from; at < to; at = reading.place?.offset ?? to) {
      const since = { offset: at, epoch: conversation.epoch }
      const answer = await this.#session?.ask({ history: { channel, limit: historyPage, since } })
      if (answer?.kind !== 'answered') return // disconnected meanwhile; the next connect notes a refusal
      const page = answer.line.history?.publications ?? []
      if (page.length === 0) return this.#wrong('history', `${channel} ends at ${at}, before ${to}`)
      for (const { offset, data } of page) {
        this.#wrong('history', reading.receive(offset))
        this.#wrong('differs', conversation.deliveries.receive(offset, numberIn(data)))
      }
    }
  }

  #receive(channel: string, { offset, data }: Publication): void {
    const stream = this.#streams.get(channel)
    if (stream?.isOpen !== true) return // the user's inbox, or an entry behind the disconnect
    this.#world.figures.count('received')
    this.#wrong('stream', stream.receive(offset), channel)
    if (offset > 0)
      this.#wrong('differs', this.#conversations.get(channel)?.deliveries.receive(offset, numberIn(data)), channel)
  }

  #insist(said: Said, due: number): void {
    this.#unanswered.set(said.n, said)
    this.#send(said, due)
  }

  #send(said: Said, due: number): void {
    const { n, conversation, deliverAt } = said
    const later = deliverAt === undefined ? {} : { deliverAt }
    const data = { conversation: conversation.id, clientId: `soak-${n}`, text: messageText(n), ...later }
    this.#session?.command({ rpc: { method: 'message.send', data } }, (answer) => this.#sent(said, due, answer))
  }

  #sent(said: Said, due: number, answer: Answer): void {
    const { n, conversation } = said
    if (answer.kind === 'busy') this.#again(answer.retryAfterMs, () => this.#send(said, due))
    if (answer.kind === 'answered' || answer.kind === 'refused') this.#unanswered.delete(n)
    if (!this.#expectAnswer('message.send', answer)) return
    const now = sent.safeParse(answer.line.rpc?.data)
    if (!now.success) {
      this.#world.figures.count('messages for later')
      return conversation.deliveries.promise(n)
    }
    const { seq, duplicate } = now.data
    this.#own = { n, seq, conversation }
    this.#world.figures.count('messages')
    if (duplicate) this.#world.figures.count('messages that were there already')
    else this.#world.figures.took(performance.now() - due)
    this.#wrong('differs', conversation.deliveries.acknowledge(n, seq), conversation.channel)
  }

  #expectAnswer(what: string, answer: Answer): answer is Extract<Answer, { kind: 'answered' }> {
    if (answer.kind === 'busy') this.#world.figures.error(String(answer.code))
    if (answer.kind === 'refused') {
      this.#world.figures.error(String(answer.code))
      this.#wrong('refused', `${what}: ${answer.code} ${answer.message}`)
    }
    return answer.kind === 'answered'
  }

  /** Waits as long as the server says and asks again, unless the user disconnects meanwhile. */
  #again(inMs: number, ask: () => void): void {
    const session = this.#session
    setTimeout(() => {
      if (this.#session === session) ask()
    }, inMs)
  }

  #lose(reason: string): void {
    this.#gone()
    this.#wrong('lost', reason)
    this.onLost()
  }

  #gone(): void {
    this.#session = undefined
    this.#asked.clear()
    for (const stream of this.#streams.values()) stream.leave()
  }

  #wrong(kind: string, what: string | undefined, where?: string): void {
    if (what !== undefined)
      this.#world.findings.note(kind, `${this.name}${where === undefined ? '' : ` in ${where}`}: ${what}`)
  }
}
