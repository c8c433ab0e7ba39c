import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** What a server says at one point: text as it is; `hang` for nothing at all, `cut` for the end of the connection. */
export type SmtpAnswer = string

/** The points at which a server answers: to a handshake of TLS, to a connection, to commands by their verbs, and to the line that ends a message. */
export type SmtpPoint =
  | 'handshake'
  | 'greeting'
  | 'EHLO'
  | 'STARTTLS'
  | 'AUTH'
  | 'login'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'end'
  | 'QUIT'

export interface ReceivedMail {
  readonly from: string
  readonly to: string
  /** Without the dots that were added for the transport. */
  readonly text: string
}

const usual: Readonly<Record<SmtpPoint, SmtpAnswer>> = {
  handshake: 'hang',
  greeting: '220 mail.example.com ready',
  EHLO: '250-mail.example.com\r\n250-SIZE 1000000\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN',
  STARTTLS: '220 go ahead',
  AUTH: '334',
  login: '235 2.7.0 welcome',
  MAIL: '250 2.1.0 sender ok',
  RCPT: '250 2.1.5 recipient ok',
  DATA: '354 go on',
  end: '250 2.0.0 queued as 17',
  QUIT: '221 bye',
}

/** A small server of SMTP that answers as it is told, without encryption: after STARTTLS it goes on as it is. */
export class SmtpServer {
  readonly mails: ReceivedMail[] = []
  /** Lines that it received outside of messages. */
  readonly lines: string[] = []
  answers: Partial<Record<SmtpPoint, SmtpAnswer>> = {}
  /** Called when it has reached a point at which it says nothing. */
  silent: () => void = () => {}
  readonly #server: Server = createServer((socket) => this.#serve(socket))
  readonly #sockets = new Set<Socket>()

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the server has no port')
    return address.port
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  forget(): void {
    this.answers = {}
    this.silent = () => {}
    this.mails.length = 0
    this.lines.length = 0
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    // A client that leaves without a word is no failure of the server.
    socket.on('error', () => {})
    let [text, from, to] = ['', '', '']
    let message: string[] | undefined
    let logins = 0
    const answer = (point: SmtpPoint): void => {
      const said = this.answers[point] ?? usual[point]
      if (said === 'hang') this.silent()
      else if (said === 'cut') socket.destroy()
      else socket.write(`${said}\r\n`)
    }
    const take = (line: string): void => {
      if (message !== undefined) {
        if (line !== '.') return void message.push(line.replace(/^\./, ''))
        this.mails.push({ from, to, text: message.join('\r\n') })
        message = undefined
        return answer('end')
      }
      this.lines.push(line)
      if (logins > 0) return --logins > 0 ? answer('AUTH') : answer('login')
      const [, verb = '', rest = ''] = /^([A-Z]+)(?: (.*))?$/.exec(line) ?? []
      switch (verb) {
        case 'AUTH':
          logins = rest === 'LOGIN' ? 2 : 1
          return answer('AUTH')
        case 'MAIL':
          from = /<(.*)>/.exec(rest)?.[1] ?? ''
          return answer('MAIL')
        case 'RCPT':
          to = /<(.*)>/.exec(rest)?.[1] ?? ''
          return answer('RCPT')
        case 'DATA':
          if ((this.answers.DATA ?? usual.DATA).startsWith('354')) message = []
          return answer('DATA')
        case 'EHLO':
        case 'STARTTLS':
        case 'QUIT':
          return answer(verb)
        default:
          socket.write('500 unknown command\r\n')
      }
    }
    answer('greeting')
    socket.on('data', (chunk) => {
      // The beginning of a TLS handshake.
      if (chunk[0] === 0x16) return answer('handshake')
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        take(line)
      }
    })
  }
}
