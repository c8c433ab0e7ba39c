import { sha256 } from '../../../kernel/id.ts'
import { Unsendable, type Message } from '../provider.ts'
import { encodedWords, mailOf, writeMailbox } from '../mail.ts'

/** An e-mail as it is handed to a server: its addresses, and the lines of RFC 5322, which are ASCII unless an address is not. */
export interface Mail {
  readonly from: string
  readonly to: string
  readonly text: string
}

const lineEnd = '\r\n'
/** Characters of a subject that is written as it is: the header stays below 78 (RFC 5322 §2.1.1). */
const plainSubject = /^(?!.*=\?)[\x20-\x7e]{1,68}$/

/**
 * A message as an e-mail: text, and HTML as an alternative of it (RFC 2046 §5.1.4). Bodies are base64, so that no line is too long and none can be
 * taken for a boundary or the end of the message. A repeat of a delivery is the same text with the same `Message-ID`. Throws Unsendable.
 */
export async function mailText(message: Message, now: number): Promise<Mail> {
  const { to, sender, subject, text, html, headers } = mailOf(message)
  const [from, recipient] = [withAsciiDomain(sender.email), withAsciiDomain(to)]
  const hash = await sha256(message.id)
  const lines = [
    `Date: ${new Date(now).toUTCString().replace('GMT', '+0000')}`,
    `From: ${writeMailbox({ name: sender.name, email: from }, encodedWords)}`,
    `To: ${recipient}`,
    `Subject: ${plainSubject.test(subject) ? subject : encodedWords(subject)}`,
    `Message-ID: <${hash.slice(0, 40)}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated',
    ...Object.entries(headers).map(([name, value]) => headerLine(name, value)),
    'MIME-Version: 1.0',
  ]
  const plain = partOf('plain', text)
  if (html === undefined) return { from, to: recipient, text: [...lines, ...plain, ''].join(lineEnd) }
  const boundary = `=_${hash.slice(0, 40)}`
  const parts = [plain, partOf('html', html)].flatMap((part) => [`--${boundary}`, ...part])
  const type = `Content-Type: multipart/alternative; boundary="${boundary}"`
  return { from, to: recipient, text: [...lines, type, '', ...parts, `--${boundary}--`, ''].join(lineEnd) }
}

/** A header of this system; a value in which a line ends would add another header. */
function headerLine(name: string, value: string): string {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,60}$/.test(name) || !/^[\x20-\x7e]{1,900}$/.test(value))
    throw new Unsendable(`headers: ${name.slice(0, 60)} is not a header on one line of at most 900 characters`)
  return name.length + value.length > 76 ? `${name}:${lineEnd} ${value}` : `${name}: ${value}`
}

const partOf = (subtype: string, text: string): string[] => [
  `Content-Type: text/${subtype}; charset=utf-8`,
  'Content-Transfer-Encoding: base64',
  '',
  ...base64Lines(new TextEncoder().encode(text.replaceAll(/\r\n|\r|\n/g, lineEnd))),
]

/** Lines of 76 characters (RFC 2045 §6.8). */
function base64Lines(bytes: Uint8Array): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 57) lines.push(btoa(String.fromCharCode(...bytes.subarray(at, at + 57))))
  return lines
}

/** The domain as all servers take it (RFC 5891). */
function withAsciiDomain(address: string): string {
  const at = address.lastIndexOf('@')
  const url = `https://${address.slice(at + 1)}`
  if (!URL.canParse(url)) throw new Unsendable(`email: ${address.slice(at + 1)} is not a domain`)
  return `${address.slice(0, at)}@${new URL(url).hostname}`
}
