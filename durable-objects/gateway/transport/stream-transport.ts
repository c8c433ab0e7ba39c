import { streamKinds, type StreamKind } from '../../../src/protocol/frames.ts'
import { encodeDisconnect } from '../../../src/protocol/replies.ts'
import { isTooSlow, type Reader } from '../../../src/realtime/slow-reader.ts'
import type { BinaryFrames } from './binary-frames.ts'
import type { EndedStreams } from './ended-streams.ts'
import type { Transport } from './transport.ts'

/** What the stream itself measures from; how much may wait is decided for all connections alike. */
const highWaterMark = 1_048_576

/** The body of an HTTP answer that goes on as long as the connection does. */
export class StreamTransport implements Transport {
  readonly body: ReadableStream<Uint8Array>
  readonly #encode: (lines: readonly string[]) => Uint8Array
  readonly #lingering: EndedStreams
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  /** `gone` hears that the reader went away. */
  constructor(kind: StreamKind, binary: BinaryFrames, lingering: EndedStreams, gone: () => void) {
    this.#lingering = lingering
    this.#encode = kind === 'messages' ? (lines) => binary.of(lines) : textEncoders[kind]
    const source = {
      start: (controller: ReadableStreamDefaultController<Uint8Array>) => void (this.#controller = controller),
      cancel: () => {
        this.#controller = undefined
        gone()
      },
    }
    this.body = new ReadableStream(source, { highWaterMark, size: ({ byteLength }) => byteLength })
  }

  send(lines: readonly string[], reader: Reader): boolean {
    if (this.#controller === undefined) throw new Error('the stream has ended')
    const bytes = this.#encode(lines)
    if (isTooSlow(reader, highWaterMark - (this.#controller.desiredSize ?? 0), bytes.byteLength)) return false
    this.#controller.enqueue(bytes)
    return true
  }

  /** There is no close frame here: a push says the same. Whoever does not read it in time loses the rest. */
  close(code: number, reason: string): void {
    const controller = this.#controller
    if (controller === undefined) return
    try {
      controller.enqueue(this.#encode([encodeDisconnect(code, reason)]))
      controller.close()
      this.#lingering.add(() => this.#abandon(controller))
    } catch {
      // Already gone: that is what was wanted.
    }
    this.#controller = undefined
  }

  /** An open answer keeps its gateway awake, so nothing has to be kept. */
  remember(): void {}

  #abandon(controller: ReadableStreamDefaultController<Uint8Array>): void {
    try {
      controller.error(new Error('nobody read the end of the stream'))
    } catch {
      // It was read, and is over.
    }
  }
}

const encoder = new TextEncoder()

const textEncoders: Readonly<Record<Exclude<StreamKind, 'messages'>, (lines: readonly string[]) => Uint8Array>> = {
  sse: (lines) => encoder.encode(`data: ${lines.join('\n').replaceAll('\n', '\ndata: ')}\n\n`),
  lines: (lines) => encoder.encode(`${lines.join('\n')}\n`),
}

/** Which kind the edge asks for, by the last part of the path. Throws when it is none. */
export function streamKindOf({ url }: Request): StreamKind {
  const asked = new URL(url).pathname.split('/').at(-1)
  const kind = streamKinds.find((known) => known === asked)
  if (kind === undefined) throw new Error(`no stream is of kind ${asked}`)
  return kind
}
