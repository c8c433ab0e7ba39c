import { RawSocket } from '../load/raw-socket.ts'
import { answerOf, line, type Answer, type Line, type Publication } from './answers.ts'

/** What a visit tells of. */
export interface SessionEvents {
  onPublication(channel: string, publication: Publication): void
  /** The server ended a subscription that the client wanted. */
  onUnsubscribed(channel: string, code: number): void
  /** The connection ended although the client did not close it. */
  onLost(reason: string): void
}

type Answered = (answer: Answer) => void

/**
 * One connection, from connect to its end. Answers are handed over at once and not by a promise alone: what is said
 * right behind the answer to a subscription must already find the listener.
 */
export class Session {
  readonly #waiting = new Map<number, { readonly since: number; readonly done: Answered }>()
  readonly #events: SessionEvents
  #socket: RawSocket | undefined
  #last = 0

  static async open(url: URL, token: string, events: SessionEvents): Promise<Session | 'busy'> {
    const session = new Session(events)
    session.#socket = await RawSocket.open(
      { url, offerDeflate: false },
      {
        onText: (bytes, start, end) => session.#read(bytes.toString('utf8', start, end)),
        onLost: (reason) => session.#lose(reason),
      },
    )
    const answer = await session.ask({ connect: { token, name: 'soak' } })
    if (answer.kind === 'answered') return session
    session.end('clean')
    if (answer.kind === 'busy') return 'busy'
    throw new Error(answer.kind === 'cut' ? 'connect: cut off' : `connect: ${answer.code} ${answer.message}`)
  }

  private constructor(events: SessionEvents) {
    this.#events = events
  }

  command(command: object, done: Answered): void {
    if (this.#socket === undefined) return done({ kind: 'cut' })
    this.#last += 1
    this.#waiting.set(this.#last, { since: performance.now(), done })
    this.#socket.send(JSON.stringify({ id: this.#last, ...command }))
  }

  ask(command: object): Promise<Answer> {
    return new Promise((resolve) => this.command(command, resolve))
  }

  /** Ends it with a goodbye, or as when a network goes. */
  end(how: 'clean' | 'abrupt'): void {
    const socket = this.#socket
    this.#socket = undefined
    if (how === 'clean') socket?.close()
    else socket?.reset()
    this.#cut()
  }

  /** How long the oldest command has waited, in milliseconds. */
  get longestWait(): number {
    const [oldest] = this.#waiting.values()
    return oldest === undefined ? 0 : performance.now() - oldest.since
  }

  #lose(reason: string): void {
    this.#socket = undefined
    this.#cut()
    this.#events.onLost(reason)
  }

  #cut(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { done } of waiting) done({ kind: 'cut' })
  }

  #read(text: string): void {
    for (const each of text.split('\n')) {
      if (this.#socket === undefined) return // what arrives after the goodbye was never received
      if (each === '{}') this.#socket.send('{}')
      else this.#take(line.parse(JSON.parse(each)))
    }
  }

  #take(said: Line): void {
    const { id, push } = said
    if (id !== undefined) this.#settle(id, answerOf(said))
    if (push?.pub !== undefined) this.#events.onPublication(push.channel, push.pub)
    if (push?.unsubscribe !== undefined) this.#events.onUnsubscribed(push.channel, push.unsubscribe.code)
  }

  #settle(id: number, answer: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.done(answer)
  }
}
