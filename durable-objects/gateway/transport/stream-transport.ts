import { streamKinds, type StreamKind } from '../../../src/protocol/frames.ts'
import { encodeDisconnect } from '../../../src/protocol/replies.ts'
import { isTooSlow, type Reader } from '../../../src/realtime/slow-reader.ts'
import type { BinaryFrames } from './binary-frames.ts'
import type { EndedStreams } from './ended-streams.ts'
import type { Transport } from './transport.ts'

/** What the stream measures its free room from; how much may wait is decided for all connections alike. */
const highWaterMark = 1_048_576

/** The body of an HTTP response that lasts as long as its connection. */
export class StreamTransport implements Transport {
  readonly body: ReadableStream<Uint8Array>
  readonly #encode: (lines: readonly string[]) => Uint8Array
  readonly #lingering: EndedStreams
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  /** `gone` is called when the client has closed the response. */
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

  /** A response has no close frame: a push carries the code. A client that does not read it in time loses the rest. */
  close(code: number, reason: string): void {
    const controller = this.#controller
    if (controller === undefined) return
    try {
      controller.enqueue(this.#encode([encodeDisconnect(code, reason)]))
      controller.close()
      this.#lingering.add(() => this.#abandon(controller))
    } catch {
      // It is closed already.
    }
    this.#controller = undefined
  }

  /** An open response keeps its gateway awake, so there is nothing to keep. */
  remember(): void {}

  #abandon(controller: ReadableStreamDefaultController<Uint8Array>): void {
    try {
      controller.error(new Error('the end of the stream was not read'))
    } catch {
      // It was read to its end.
    }
  }
}

const encoder = new TextEncoder()

const textEncoders: Readonly<Record<Exclude<StreamKind, 'messages'>, (lines: readonly string[]) => Uint8Array>> = {
  sse: (lines) => encoder.encode(`data: ${lines.join('\n').replaceAll('\n', '\ndata: ')}\n\n`),
  lines: (lines) => encoder.encode(`${lines.join('\n')}\n`),
}

/** The kind of stream the edge asks for, by the last part of the path. Throws when there is no such kind. */
export function streamKindOf({ url }: Request): StreamKind {
  const asked = new URL(url).pathname.split('/').at(-1)
  const kind = streamKinds.find((known) => known === asked)
  if (kind === undefined) throw new Error(`no stream is of kind ${asked}`)
  return kind
}
