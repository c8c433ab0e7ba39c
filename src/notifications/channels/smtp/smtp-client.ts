import { byteLength } from '../../../kernel/text.ts'
import type { DeliveryOutcome } from '../../model.ts'
import type { Mail } from './mime.ts'

/** An open connection to a server. */
export interface SmtpStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
  /** The same connection, encrypted from now on. The streams of this one have no reader and no writer then. */
  startTls(): SmtpStream
}

export interface SmtpSession {
  /** With `starttls` nothing but the offer of encryption is said in plain text; `none` is for a server on the same machine. */
  readonly security: 'tls' | 'starttls' | 'none'
  readonly login?: { readonly user: string; readonly password: string } | undefined
  /** The name with which this system greets the server. */
  readonly name: string
}

/** What became of a message, and whether the server is in trouble: it did not answer, or said nothing that can be understood. */
export interface SmtpResult {
  readonly outcome: DeliveryOutcome
  readonly isTrouble: boolean
}

/** Bytes of a line of a reply, which RFC 5321 §4.5.3.1.5 bounds by 512, and lines of one. */
const maxLineBytes = 2000
const maxLines = 100
const answerLength = 300

/** Enhanced codes (RFC 3463) of a mailbox that does not exist, has moved without an address, or takes nothing any more. */
const goneCodes = /^5\.(?:1\.(?:1|2|3|6|10)|2\.1)\b/

interface Reply {
  readonly code: number
  readonly lines: readonly string[]
}

/** The server answered something that ends the attempt. */
class Answered extends Error {
  readonly reply: Reply
  /** The command was about the recipient. */
  readonly isOfRecipient: boolean

  constructor(reply: Reply, isOfRecipient = false) {
    super(textOf(reply))
    this.reply = reply
    this.isOfRecipient = isOfRecipient
  }
}

/** The message cannot be sent by this server, whatever it answers. */
class Unfit extends Error {}

/**
 * Hands one e-mail to a server (RFC 5321), one command after the other. Until the line that ends the message has been written nothing can have been
 * sent; without an answer to it the outcome is not known. `signal` ends the wait for the server. Never throws.
 */
export async function sendMail(
  stream: SmtpStream,
  mail: Mail,
  session: SmtpSession,
  signal: AbortSignal,
): Promise<SmtpResult> {
  const connection = new Connection(stream, signal)
  let isEnding = false
  try {
    const taken = await converse(connection, mail, session, () => {
      isEnding = true
    })
    await connection.leave()
    return { outcome: { kind: 'delivered', answer: textOf(taken) }, isTrouble: false }
  } catch (thrown) {
    if (thrown instanceof Unfit) return { outcome: { kind: 'refused', answer: thrown.message }, isTrouble: false }
    if (thrown instanceof Answered) return ofReply(thrown)
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return { outcome: { kind: isEnding ? 'unknown' : 'later', answer: reason }, isTrouble: true }
  } finally {
    connection.release()
  }
}

function ofReply({ reply, isOfRecipient, message: answer }: Answered): SmtpResult {
  const { code, lines } = reply
  // 421: the server closes the connection.
  if (code < 500) return { outcome: { kind: 'later', answer }, isTrouble: code === 421 }
  const isGone = isOfRecipient && goneCodes.test(lines[0] ?? '')
  return { outcome: { kind: isGone ? 'gone' : 'refused', answer }, isTrouble: false }
}

async function converse(connection: Connection, mail: Mail, session: SmtpSession, ending: () => void): Promise<Reply> {
  const { security, login, name } = session
  accepted(await connection.reply(), 220)
  let offers = await hello(connection, name)
  if (security === 'starttls') {
    if (!offers.has('STARTTLS')) throw new Unfit('the server offers no STARTTLS, so that nothing was said to it')
    accepted(await connection.ask('STARTTLS'), 220)
    connection.startTls()
    // An attacker in between could have changed what was offered in plain text.
    offers = await hello(connection, name)
  }
  if (login !== undefined) await logIn(connection, offers, login)
  const isAscii = /^[\x20-\x7e]+$/.test(mail.from + mail.to)
  if (!isAscii && !offers.has('SMTPUTF8'))
    throw new Unfit('email: the server takes no address with other than ASCII characters')
  const text = mail.text.replaceAll(/^\./gm, '..')
  const size = byteLength(mail.text)
  const maxSize = Number(offers.get('SIZE') ?? 0)
  if (maxSize > 0 && size > maxSize) throw new Unfit(`the message has ${size} bytes, and the server takes ${maxSize}`)
  const parameters = `${offers.has('SIZE') ? ` SIZE=${size}` : ''}${isAscii ? '' : ' SMTPUTF8'}`
  accepted(await connection.ask(`MAIL FROM:<${mail.from}>${parameters}`), 250)
  const recipient = await connection.ask(`RCPT TO:<${mail.to}>`)
  if (recipient.code !== 250 && recipient.code !== 251) throw new Answered(recipient, true)
  accepted(await connection.ask('DATA'), 354)
  await connection.write(text)
  ending()
  await connection.write('.\r\n')
  return accepted(await connection.reply(), 250)
}

/** What the server offers, by keyword. */
async function hello(connection: Connection, name: string): Promise<ReadonlyMap<string, string>> {
  const { lines } = accepted(await connection.ask(`EHLO ${name}`), 250)
  return new Map(
    lines.slice(1).map((line): [string, string] => {
      const [keyword = '', ...parameters] = line.trim().split(/[ =]+/)
      return [keyword.toUpperCase(), parameters.join(' ').toUpperCase()]
    }),
  )
}

async function logIn(
  connection: Connection,
  offers: ReadonlyMap<string, string>,
  { user, password }: NonNullable<SmtpSession['login']>,
): Promise<void> {
  const mechanisms = (offers.get('AUTH') ?? '').split(' ')
  if (mechanisms.includes('PLAIN')) {
    // Without an initial response: a command has 512 bytes at most.
    accepted(await connection.ask('AUTH PLAIN'), 334)
    accepted(await connection.ask(base64(`\0${user}\0${password}`)), 235)
  } else if (mechanisms.includes('LOGIN')) {
    accepted(await connection.ask('AUTH LOGIN'), 334)
    accepted(await connection.ask(base64(user)), 334)
    accepted(await connection.ask(base64(password)), 235)
  } else throw new Unfit('credentials: the server offers neither AUTH PLAIN nor AUTH LOGIN')
}

/** The reply if it has this code. A success with another one, or a question that was not expected, is nothing that can be understood. */
function accepted(reply: Reply, code: number): Reply {
  if (reply.code === code) return reply
  if (reply.code >= 400) throw new Answered(reply)
  throw new Error(`the server answered ${textOf(reply)} where ${code} was expected`)
}

const textOf = ({ code, lines }: Reply): string => `${code} ${lines.join(' ')}`.trim().slice(0, answerLength)

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** Lines of both directions. */
class Connection {
  #stream: SmtpStream
  #reader: ReadableStreamDefaultReader<Uint8Array>
  #writer: WritableStreamDefaultWriter<Uint8Array>
  #received = ''
  readonly #decoder = new TextDecoder()
  readonly #late = Promise.withResolvers<never>()

  constructor(stream: SmtpStream, signal: AbortSignal) {
    this.#stream = stream
    // It may end while nothing is waited for.
    this.#late.promise.catch(() => {})
    const late = () => this.#late.reject(new Error('no answer in time'))
    if (signal.aborted) late()
    else signal.addEventListener('abort', late)
    this.#reader = stream.readable.getReader()
    this.#writer = stream.writable.getWriter()
  }

  async ask(command: string): Promise<Reply> {
    // What was said before the question is no answer to it.
    if (this.#received !== '') throw new Error('the server said more than it was asked')
    await this.write(`${command}\r\n`)
    return await this.reply()
  }

  async write(text: string): Promise<void> {
    await this.#inTime(this.#writer.write(new TextEncoder().encode(text)))
  }

  async reply(): Promise<Reply> {
    const lines: string[] = []
    let first: string | undefined
    for (;;) {
      const line = await this.#line()
      const [, code = '', more, rest = ''] = /^([2-5]\d\d)(?:([ -])(.*))?$/.exec(line) ?? []
      if (code === '' || (first !== undefined && code !== first))
        throw new Error(`the server’s answer was not understood: ${line.slice(0, 100)}`)
      first = code
      lines.push(rest.replaceAll(/\p{Cc}+/gu, ' ').trim())
      if (more !== '-') return { code: Number(code), lines }
      if (lines.length >= maxLines) throw new Error(`the server’s answer has more than ${maxLines} lines`)
    }
  }

  /** Goes on encrypted. What the server has sent in plain text behind its answer would be taken for encrypted (CVE-2011-0411). */
  startTls(): void {
    if (this.#received !== '') throw new Error('the server said more before the encryption began')
    this.release()
    this.#stream = this.#stream.startTls()
    this.#reader = this.#stream.readable.getReader()
    this.#writer = this.#stream.writable.getWriter()
  }

  /** Ends the session. The message has been taken, whatever becomes of this. */
  async leave(): Promise<void> {
    try {
      await this.write('QUIT\r\n')
    } catch {
      // The server has left.
    }
  }

  /** Lets go of the streams. One that is still waited for cannot be let go of, and ends with the connection. */
  release(): void {
    for (const end of [this.#reader, this.#writer])
      try {
        end.releaseLock()
      } catch {
        // The connection is closed next.
      }
  }

  /** A connection whose encryption has not begun does not end its reads when it is closed. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#late.promise])
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf('\n')
      if (end > maxLineBytes || (end === -1 && this.#received.length > maxLineBytes))
        throw new Error(`a line of the server has more than ${maxLineBytes} bytes`)
      if (end !== -1) {
        const line = this.#received.slice(0, end).replace(/\r$/, '')
        this.#received = this.#received.slice(end + 1)
        return line
      }
      const { done, value } = await this.#inTime(this.#reader.read())
      if (done) throw new Error('the server closed the connection')
      this.#received += this.#decoder.decode(value, { stream: true })
    }
  }
}
