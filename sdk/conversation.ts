import { conversationChannel } from '../src/protocol/channels.ts'
import type { Connection } from './connection.ts'
import { ParleyError } from './failure.ts'
import { Feed } from './feed.ts'
import { fields, count } from './parse.ts'
import { threadLinesOf, type Line } from './lines.ts'
import { Listeners } from './listeners.ts'
import type { UnsentMessage } from './message-store.ts'
import { Outbox } from './outbox.ts'
import { pause } from './pause.ts'
import { ReadCursor } from './read-cursor.ts'
import { readThreadState, type ThreadState } from './threads.ts'
import * as log from './timeline.ts'
import type { UnsentMessages } from './unsent-messages.ts'
import { unknown, viewOf, type Known, type View } from './view.ts'

/** "Is typing" is said this often at most; the server takes no more. */
const typingEveryMs = 3000

/** One conversation, followed live, and a voice in it. */
export class Conversation {
  readonly id: string
  /** Called after every change; `view` says what is true now. */
  readonly changes = new Listeners<undefined>()
  readonly #connection: Connection
  readonly #feed: Feed
  readonly #outbox: Outbox
  readonly #cursor: ReadCursor
  readonly #unsent: UnsentMessages
  #known: Known
  #typedAt = 0

  constructor(id: string, me: string, connection: Connection, unsent: UnsentMessages) {
    this.id = id
    this.#unsent = unsent
    this.#connection = connection
    this.#known = unknown(me)
    this.#feed = new Feed(connection, conversationChannel(id), {
      change: (how) => this.#change(how),
      known: () => this.#known,
    })
    this.#outbox = this.#newOutbox()
    this.#cursor = new ReadCursor(async (seq) => {
      await connection.rpc('conversation.read', { conversation: id, seq })
    })
  }

  /** What is true now. */
  get view(): View {
    return viewOf(this.#known, this.#feed.hasOlder())
  }

  /** Listens, from where it left off. */
  open(): void {
    this.#feed.open()
  }

  /** Stops listening; what is on its way still leaves. */
  close(): void {
    this.#feed.close()
  }

  /** Fetches the page before the first line. Throws ParleyError. */
  loadOlder(): Promise<void> {
    return this.#feed.loadOlder()
  }

  /** Says something: it shows at once, and is repeated until the server has it. `replyTo` is the seq of a message that it quotes. */
  send(text: string, { replyTo }: { replyTo?: number | undefined } = {}): void {
    this.#say(text, replyTo === undefined ? {} : { replyTo })
  }

  /** Replies in the thread of message `root`, and with `alsoInConversation` in the conversation, too. Repeated like `send`. */
  reply(root: number, text: string, { alsoInConversation = false }: { alsoInConversation?: boolean } = {}): void {
    this.#say(text, { thread: root, ...(alsoInConversation ? { alsoInConversation } : {}) })
  }

  /** The replies in the thread of message `root`, as far as the log is held; older ones by page: `parley.conversations.replies`. */
  thread(root: number): readonly Line[] {
    return threadLinesOf(this.#known.timeline, root)
  }

  /** Says "I have read the thread of message `root` up to here". Throws ParleyError. */
  async markThreadRead(root: number, upTo: number): Promise<ThreadState> {
    return readThreadState(await this.#connection.rpc('thread.read', { conversation: this.id, seq: root, upTo }))
  }

  /** Follows a thread, or follows it no more. Throws ParleyError. */
  async followThread(root: number, follows = true): Promise<ThreadState> {
    return readThreadState(await this.#connection.rpc('thread.follow', { conversation: this.id, seq: root, follows }))
  }

  /** What was said and is not in the log yet: on its way, waiting for a connection, or refused, with the reason. */
  get unsent(): readonly log.Outgoing[] {
    return this.#known.timeline.outgoing.filter(({ delivery }) => delivery !== 'sent')
  }

  /** Whether something that was said is still on its way to the server. */
  get hasUnsent(): boolean {
    return this.unsent.some(({ delivery }) => delivery !== 'failed')
  }

  /** Goes on with messages of a page that ended. `Parley` calls this. */
  restore(messages: readonly UnsentMessage[]): void {
    this.#changeLog((timeline) => log.restore(timeline, messages.map(outgoingOf)))
    this.#outbox.restore(messages.filter(({ refused }) => refused === undefined))
  }

  /** Tries a message again that was refused. */
  retry(clientId: string): void {
    const failed = this.#known.timeline.outgoing.find((one) => one.clientId === clientId)
    if (failed?.delivery !== 'failed') return
    this.#changeLog((timeline) => log.resend(timeline, clientId))
    this.#unsent.retry(clientId)
    this.#outbox.post({ clientId, text: failed.text, ...log.placeOf(failed) })
  }

  /** Takes back a message that the server does not have. */
  discard(clientId: string): void {
    this.#outbox.cancel(clientId)
    this.#unsent.drop(clientId)
    this.#changeLog((timeline) => log.drop(timeline, clientId))
  }

  /** Gives one's own message other words. Throws ParleyError. */
  async edit(seq: number, text: string): Promise<void> {
    await this.#connection.rpc('message.edit', { conversation: this.id, seq, text })
  }

  /** Takes a message away for everyone. Throws ParleyError. */
  async delete(seq: number, { restorableFor }: { restorableFor?: number } = {}): Promise<void> {
    const kept = restorableFor === undefined ? {} : { restorableFor }
    await this.#connection.rpc('message.delete', { conversation: this.id, seq, ...kept })
  }

  /** Brings back a message that was deleted with `restorableFor` seconds that are not over. Throws ParleyError. */
  async undelete(seq: number): Promise<void> {
    await this.#connection.rpc('message.restore', { conversation: this.id, seq })
  }

  /** Reacts to a message; with `only` instead of the user's other reactions to it. Throws ParleyError. */
  async react(seq: number, reaction: string, { only = false }: { only?: boolean } = {}): Promise<void> {
    await this.#connection.rpc('message.react', { conversation: this.id, seq, reaction, ...(only ? { only } : {}) })
  }

  /** Takes back a reaction: the user's own, or as an owner or admin that of another user. Throws ParleyError. */
  async unreact(seq: number, reaction: string, user?: string): Promise<void> {
    const whose = user === undefined ? {} : { user }
    await this.#connection.rpc('message.unreact', { conversation: this.id, seq, reaction, ...whose })
  }

  /** Pins a message, until a time in milliseconds since the epoch where one is given. Throws ParleyError. */
  async pin(seq: number, until?: number): Promise<void> {
    await this.#connection.rpc('message.pin', { conversation: this.id, seq, ...(until === undefined ? {} : { until }) })
  }

  /** Unpins a message. Throws ParleyError. */
  async unpin(seq: number): Promise<void> {
    await this.#connection.rpc('message.unpin', { conversation: this.id, seq })
  }

  /** Says "I have read up to here". Repeats and steps back cost nothing. */
  markRead(seq: number): void {
    const { status, properties, people, timeline } = this.#known
    if (status !== 'live' || properties.role === null) return
    this.#cursor.moveTo(seq, people.members.get(timeline.me)?.read ?? 0)
  }

  /** Tells the others that something is being typed; call it on every key. */
  typing(): void {
    if (Date.now() - this.#typedAt < typingEveryMs) return
    this.#typedAt = Date.now()
    this.#connection.signal({ type: 'typing', conversation: this.id })
  }

  #say(text: string, place: log.ThreadPlace): void {
    const clientId = randomId()
    const at = Date.now()
    this.#changeLog((timeline) => log.say(timeline, clientId, text, at, place))
    this.#unsent.keep({ conversation: this.id, clientId, text, at, ...place })
    this.#outbox.post({ clientId, text, ...place })
    this.#typedAt = 0
  }

  #newOutbox(): Outbox {
    return new Outbox({
      deliver: async (clientId, text, place) => {
        const ack = await this.#connection.rpc('message.send', { conversation: this.id, clientId, text, ...place })
        return { seq: count(fields(ack)['seq']) }
      },
      ready: () => this.#unsent.ready,
      online: () => this.#connection.online(),
      delivered: (clientId, seq) => {
        this.#unsent.drop(clientId)
        this.#changeLog((timeline) => log.acknowledge(timeline, clientId, seq))
      },
      stalled: (clientId, problem) => {
        if (!problem.temporary) this.#unsent.refuse(clientId, problem)
        this.#changeLog((timeline) => log.stall(timeline, clientId, problem))
      },
      resent: (clientId) => this.#changeLog((timeline) => log.resend(timeline, clientId)),
      pause,
    })
  }

  #changeLog(how: (timeline: log.Timeline) => log.Timeline): void {
    this.#change((known) => ({ ...known, timeline: how(known.timeline) }))
  }

  #change(how: (known: Known) => Known): void {
    const next = how(this.#known)
    if (next === this.#known) return
    this.#known = next
    this.changes.tell(undefined)
  }
}

/** A clientId: unique among its sender's for ever, also where the page is not a secure context. */
const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

const outgoingOf = ({ clientId, text, at, refused, ...one }: UnsentMessage): log.Outgoing =>
  refused === undefined
    ? { clientId, text, at, delivery: 'sending', ...log.placeOf(one) }
    : {
        clientId,
        text,
        at,
        ...log.placeOf(one),
        delivery: 'failed',
        problem: new ParleyError(refused.kind, refused.message, { code: refused.code }),
      }
