import { ParleyError } from './failure.ts'
import { count, fields, text } from './parse.ts'
import { pause } from './pause.ts'

/** What a streaming message has beside its text. */
export interface StreamOptions {
  /** Its id; the same one goes on with a message that another process has begun, and has to write the same text again. */
  readonly clientId?: string
  /** The member in whose name it is written; the tenant itself without one. */
  readonly user?: string
  readonly replyTo?: number
  readonly thread?: number
  readonly mentions?: Mentioned
  readonly silent?: boolean
  readonly data?: unknown
  /** Parts that are written within so many milliseconds leave together; 40 by default. */
  readonly rollUpMs?: number
  /** A call is repeated for so long while the server cannot be reached, in milliseconds; 25 s by default. */
  readonly giveUpMs?: number
}

/** What may be said of a message when it is complete. */
export interface StreamEnd {
  readonly mentions?: Mentioned
  readonly attachments?: readonly object[]
  readonly data?: unknown
}

interface Mentioned {
  readonly users?: readonly string[]
  readonly here?: boolean
  readonly channel?: boolean
}

/** Where a streaming message stands once it has ended; null where it had no text. */
export interface StreamedMessage {
  readonly seq: number | null
}

/** Text that a model writes, as it comes. */
export type TextSource = AsyncIterable<string> | ReadableStream<string | Uint8Array>

type Post = (path: string, body: object) => Promise<unknown>

/** Characters of one append at most, and those that wait until `write` waits, too. */
const appendChars = 8192
/** An author that is silent for so long says that it goes on, in milliseconds. */
const beatMs = 10_000
// oxlint-disable-next-line no-control-regex -- the server accepts no control characters
const controls = /[\u0000-\u0008\u000B-\u001F\u007F]/g

/**
 * Writes one streaming message. What is written is kept until the message has ended, so that every call can be repeated: after a lost answer,
 * a lost connection and a crash of the server the text goes on where the server has it.
 */
export class MessageWriter {
  readonly clientId: string
  readonly #post: Post
  readonly #path: string
  readonly #options: StreamOptions
  #text = ''
  /** The end of what was written that cannot leave without what follows: half a character, or half an end of line. */
  #rest = ''
  /** How much of the text the server has. */
  #sent = 0
  #begun: Promise<void> | undefined
  #sending: Promise<void> | undefined
  #failure: unknown
  #beat: ReturnType<typeof setInterval> | undefined

  /** `post` makes a request and throws ParleyError. */
  constructor(conversation: string, post: Post, options: StreamOptions = {}) {
    this.clientId = options.clientId ?? crypto.randomUUID()
    this.#post = post
    this.#options = options
    this.#path = `/v1/conversations/${encodeURIComponent(conversation)}/streaming`
  }

  /** Begins the message, before there is text: subscribers see who writes. The first `write` does it otherwise. */
  begin(): Promise<void> {
    return (this.#begun ??= this.#begin())
  }

  /** Adds text. Resolves at once unless much of it waits. Throws ParleyError once the message cannot go on. */
  async write(part: string): Promise<void> {
    this.#throwFailure()
    this.#text += this.#wellFormed(part)
    this.#sending ??= this.#send()
    if (this.#text.length - this.#sent > appendChars) await this.#sending
    this.#throwFailure()
  }

  /** Makes it a message like one that was sent whole. Throws ParleyError. */
  async complete(end: StreamEnd = {}): Promise<StreamedMessage> {
    this.#rest = ''
    await this.begin()
    await this.#sending
    this.#throwFailure()
    await this.#flush()
    if (this.#text.trim() === '') return await this.cancel()
    const answer = await this.#call('complete', end)
    this.#stop()
    return { seq: count(fields(answer)['seq']) }
  }

  /** Ends it with the text that the server has, marked as cancelled. Throws ParleyError. */
  async cancel(): Promise<StreamedMessage> {
    this.#stop()
    await this.begin()
    const { seq } = fields(await this.#call('cancel', {}))
    return { seq: typeof seq === 'number' ? seq : null }
  }

  /**
   * Writes all that comes and completes the message. When the source fails, or the message cannot go on, the message ends with the text that it
   * has, and the error is thrown.
   */
  async pipe(source: TextSource, end: StreamEnd = {}): Promise<StreamedMessage> {
    try {
      for await (const part of partsOf(source)) await this.write(part)
      return await this.complete(end)
    } catch (thrown) {
      await this.cancel().catch(() => undefined)
      throw thrown
    }
  }

  async #begin(): Promise<void> {
    const { clientId: _, user: __, rollUpMs: ___, giveUpMs: ____, ...fieldsOfMessage } = this.#options
    const answer = await this.#repeat(() =>
      this.#post(this.#path, this.#spoken({ clientId: this.clientId, ...fieldsOfMessage })),
    )
    this.#found(answer)
    this.#beat = setInterval(() => void this.#goOn(), beatMs)
  }

  /** How far the server is with the message. */
  #found(answer: unknown): void {
    const given = fields(answer)
    if (given['seq'] !== undefined) throw new ParleyError('conflict', 'the message has ended', { code: 409 })
    this.#sent = count(given['length'])
  }

  async #send(): Promise<void> {
    try {
      await this.begin()
      await this.#flush()
    } catch (thrown) {
      this.#failure = thrown
      this.#stop()
    } finally {
      this.#sending = undefined
    }
  }

  async #flush(): Promise<void> {
    while (this.#sent < this.#text.length) {
      await this.#append()
      if (this.#sent < this.#text.length) await pause(this.#options.rollUpMs ?? 40)
    }
  }

  async #append(): Promise<void> {
    const offset = this.#sent
    const body = { offset, text: this.#text.slice(offset, offset + appendChars).replace(/[\uD800-\uDBFF]$/, '') }
    try {
      this.#sent = count(fields(await this.#call('append', body))['length'])
    } catch (thrown) {
      if (!(thrown instanceof ParleyError) || thrown.kind !== 'conflict') throw thrown
      // The server lacks text that it had answered, or has ended the message.
      this.#found(await this.#repeat(() => this.#post(this.#path, this.#spoken({ clientId: this.clientId }))))
      if (this.#sent === offset) throw thrown
    }
  }

  async #goOn(): Promise<void> {
    if (this.#sending === undefined) await this.#call('append', { offset: this.#sent, text: '' }).catch(() => undefined)
  }

  async #call(what: string, body: object): Promise<unknown> {
    return await this.#repeat(() => this.#post(`${this.#path}/${this.clientId}/${what}`, this.#spoken(body)))
  }

  #spoken(body: object): object {
    const { user } = this.#options
    return user === undefined ? body : { ...body, user }
  }

  async #repeat(call: () => Promise<unknown>): Promise<unknown> {
    const until = Date.now() + (this.#options.giveUpMs ?? 25_000)
    for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 2000)) {
      try {
        return await call()
      } catch (thrown) {
        if (!(thrown instanceof ParleyError) || !thrown.temporary || Date.now() > until) throw thrown
        await pause(Math.max(waitMs, thrown.retryAfterMs ?? 0))
      }
    }
  }

  /** Ends of lines as LF, and no half of a character. */
  #wellFormed(part: string): string {
    const given = this.#rest + part
    const [rest = ''] = /[\r\uD800-\uDBFF]$/.exec(given) ?? []
    this.#rest = rest
    return given
      .slice(0, given.length - this.#rest.length)
      .replaceAll('\r\n', '\n')
      .replaceAll('\r', '\n')
      .replace(controls, '')
      .toWellFormed()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #stop(): void {
    if (this.#beat !== undefined) clearInterval(this.#beat)
  }
}

async function* partsOf(source: TextSource): AsyncGenerator<string> {
  if (!(source instanceof ReadableStream)) return yield* source
  const decoder = new TextDecoder()
  const reader = source.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read())
      yield typeof next.value === 'string' ? next.value : decoder.decode(next.value, { stream: true })
    yield text(decoder.decode())
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
