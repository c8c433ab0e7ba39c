/** The WebSocket frames of RFC 6455, as far as a client that sends short texts needs them. */

const opcodes = { continuation: 0x0, text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const
const final = 0x80
const compressed = 0x40
const masked = 0x80
const nothing = Buffer.alloc(0)

/** Encodes one text frame, masked as every frame of a client must be. */
export function encodeText(text: string): Buffer {
  return encode(opcodes.text, Buffer.from(text))
}

/** Encodes the answer to a ping, which carries the same bytes. */
export function encodePong(payload: Buffer): Buffer {
  return encode(opcodes.pong, payload)
}

/** Encodes a close frame without a code. */
export function encodeClose(): Buffer {
  return encode(opcodes.close, nothing)
}

function encode(opcode: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + 4 + payload.length)
  frame[0] = final | opcode
  if (head === 2) frame[1] = masked | payload.length
  else if (head === 4) writeShort(frame, payload.length)
  else writeLong(frame, payload.length)
  mask(frame, head, payload)
  return frame
}

function writeShort(frame: Buffer, length: number): void {
  frame[1] = masked | 126
  frame.writeUInt16BE(length, 2)
}

function writeLong(frame: Buffer, length: number): void {
  frame[1] = masked | 127
  frame.writeBigUInt64BE(BigInt(length), 2)
}

/** The key need not be secret here: nothing stands between the load and the server that a mask would protect. */
function mask(frame: Buffer, head: number, payload: Buffer): void {
  frame.writeUInt32BE(Math.floor(Math.random() * 2 ** 32), head)
  const body = head + 4
  for (let i = 0; i < payload.length; i++) frame[body + i] = (payload[i] ?? 0) ^ (frame[head + (i & 3)] ?? 0)
}

/** What a reader does with the frames it finds. Bytes are only valid during the call. */
export interface FrameSink {
  /** A whole text message lies in `bytes` from `start` to `end`; handed over in place, to spare a slice for each. */
  onText(bytes: Buffer, start: number, end: number): void
  onPing(payload: Buffer): void
  onClose(code: number, reason: string): void
}

/** Cuts a stream of chunks into messages, wherever the chunks happen to break. */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #inflate: ((payload: Buffer) => Buffer) | undefined
  /** The beginning of a frame whose rest has not come yet. */
  #carry = nothing
  #fragments: Buffer[] = []
  #fragmentsCompressed = false
  /** Where the payload of the frame being looked at begins and ends; fields, since a header is read per delivery. */
  #start = 0
  #end = 0

  /** `inflate` is needed only where the server may compress. */
  constructor(sink: FrameSink, inflate?: (payload: Buffer) => Buffer) {
    this.#sink = sink
    this.#inflate = inflate
  }

  /** Takes the next chunk of the stream and hands on every message that is whole now. The chunk may be reused after. */
  feed(chunk: Buffer): void {
    const bytes = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk
    let at = 0
    while (this.#locate(bytes, at)) {
      this.#take(bytes, bytes[at] ?? 0)
      at = this.#end
    }
    this.#carry = at < bytes.length ? Buffer.from(bytes.subarray(at)) : nothing
  }

  /** Finds the frame that begins at `at`; false while a part of it is missing. */
  #locate(bytes: Buffer, at: number): boolean {
    if (bytes.length < at + 2) return false
    let length = (bytes[at + 1] ?? 0) & 0x7f
    this.#start = at + (length < 126 ? 2 : length === 126 ? 4 : 10)
    if (bytes.length < this.#start) return false
    if (length === 126) length = bytes.readUInt16BE(at + 2)
    else if (length === 127) length = Number(bytes.readBigUInt64BE(at + 2))
    this.#end = this.#start + length
    return this.#end <= bytes.length
  }

  #take(bytes: Buffer, first: number): void {
    switch (first & 0x0f) {
      case opcodes.text:
        if (first === (final | opcodes.text)) this.#sink.onText(bytes, this.#start, this.#end)
        else this.#collect(bytes, first)
        break
      case opcodes.continuation:
        this.#collect(bytes, first)
        break
      case opcodes.ping:
        this.#sink.onPing(Buffer.from(bytes.subarray(this.#start, this.#end)))
        break
      case opcodes.close:
        this.#close(bytes.subarray(this.#start, this.#end))
        break
      default:
        break // pongs and binary frames: not used here
    }
  }

  /** The slow path: a message in several frames, or a compressed one. */
  #collect(bytes: Buffer, first: number): void {
    if ((first & 0x0f) === opcodes.text) this.#fragmentsCompressed = (first & compressed) !== 0
    this.#fragments.push(Buffer.from(bytes.subarray(this.#start, this.#end)))
    if ((first & final) === 0) return

    const payload = Buffer.concat(this.#fragments)
    this.#fragments = []
    const text = this.#fragmentsCompressed ? this.#expand(payload) : payload
    this.#sink.onText(text, 0, text.length)
  }

  #expand(payload: Buffer): Buffer {
    if (this.#inflate === undefined) throw new Error('the server compressed a frame without an offer')
    return this.#inflate(payload)
  }

  #close(payload: Buffer): void {
    const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
    this.#sink.onClose(code, payload.subarray(2).toString())
  }
}
