import { writeMessages } from '../../../src/protocol/protobuf/write.ts'

/**
 * Encodes frames as Protobuf. Within one event the same lines go to many sockets: each is encoded once and shared by all.
 */
export class BinaryFrames {
  readonly #known = new Map<string, Uint8Array<ArrayBuffer>>()

  /** One frame of these lines. */
  of(lines: readonly string[]): Uint8Array<ArrayBuffer> {
    const [only] = lines
    if (only !== undefined && lines.length === 1) return this.#encode(only)
    return joined(lines.map((line) => this.#encode(line)))
  }

  /** The event is over. */
  forget(): void {
    this.#known.clear()
  }

  #encode(line: string): Uint8Array<ArrayBuffer> {
    const known = this.#known.get(line)
    if (known !== undefined) return known
    const encoded = writeMessages('Reply', line)
    this.#known.set(line, encoded)
    return encoded
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.byteLength
  }
  return all
}
