import { once } from 'node:events'
import type { Readable } from 'node:stream'

/** A caller's first message: what it wants to be, by parameter name (`user`, `database`, `application_name`, …). */
export interface Startup {
  readonly parameters: ReadonlyMap<string, string>
}

const protocolThree = 196_608
const sslRequest = 80_877_103
const gssRequest = 80_877_104
/** A caller not yet admitted may not make us hold more than this; bytes. */
const longest = 10_000

/**
 * Reads the startup message. Requests for encryption are declined through `decline`, as the socket is local already.
 * Throws for any other kind of opening, and when the caller leaves.
 */
export async function readStartup(stream: Readable, decline: () => void): Promise<Startup> {
  for (;;) {
    const length = (await take(stream, 4)).readInt32BE()
    const body = await take(stream, bounded(length - 4))
    const code = body.readInt32BE()
    if (code === protocolThree) return { parameters: pairs(body.subarray(4)) }
    if (code !== sslRequest && code !== gssRequest) throw new Error(`unknown opening ${code}`)
    decline()
  }
}

/** Reads the PasswordMessage; whatever was pipelined behind it stays in the stream. */
export async function readPassword(stream: Readable): Promise<string> {
  const head = await take(stream, 5)
  if (head[0] !== 'p'.charCodeAt(0)) throw new Error('a password was expected')
  const text = await take(stream, bounded(head.readInt32BE(1) - 4))
  return text.toString('utf8', 0, text.length - 1)
}

/** A backend message: its letter, its length, its parts; text parts end in a zero byte. */
export function frame(letter: string, ...parts: (string | number)[]): Buffer {
  const body = Buffer.concat(parts.map(encoded))
  const head = Buffer.alloc(5)
  head.write(letter)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function encoded(part: string | number): Buffer {
  if (typeof part === 'string') return Buffer.from(`${part}\0`)
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(part)
  return bytes
}

function bounded(length: number): number {
  if (length < 1 || length > longest) throw new Error(`a message of ${length} bytes before login`)
  return length
}

function pairs(body: Buffer): Map<string, string> {
  const words = body.toString().split('\0')
  const found = new Map<string, string>()
  for (let at = 0; at + 1 < words.length && words[at] !== ''; at += 2) found.set(words[at] ?? '', words[at + 1] ?? '')
  return found
}

/** Exactly that many bytes; the rest is left for the next reader. */
async function take(stream: Readable, size: number): Promise<Buffer> {
  for (;;) {
    const chunk: unknown = stream.read(size)
    // An ended stream gives what is left, however little.
    if (Buffer.isBuffer(chunk) && chunk.length === size) return chunk
    if (stream.readableEnded || stream.destroyed || chunk !== null) throw new Error('the caller left during login')
    await Promise.race([once(stream, 'readable'), once(stream, 'close')])
  }
}
