import type { Bytes } from '../bytes.ts'
import { type Reply, failure, status } from '../reply.ts'

/** Signals that a reply has not arrived in full. */
const incomplete = Symbol('incomplete')

/** Cuts a RESP2 byte stream into replies. https://redis.io/docs/latest/develop/reference/protocol-spec/ */
export class RespParser {
  #buffer: Bytes = ''
  #at = 0

  /** Takes more bytes in and answers the replies they complete. */
  push(chunk: Buffer): Reply[] {
    this.#buffer = this.#buffer.slice(this.#at) + chunk.toString('latin1')
    this.#at = 0
    const replies: Reply[] = []
    for (let start = 0; ; start = this.#at) {
      const reply = this.#read()
      if (reply === incomplete) {
        this.#at = start
        return replies
      }
      replies.push(reply)
    }
  }

  #read(): Reply | typeof incomplete {
    const line = this.#line()
    if (line === incomplete) return incomplete
    const rest = line.slice(1)
    switch (line.charAt(0)) {
      case '+':
        return status(rest)
      case '-':
        return failure(rest)
      case ':':
        return Number.isSafeInteger(Number(rest)) ? Number(rest) : BigInt(rest)
      case '$':
        return rest === '-1' ? null : this.#bulk(Number(rest))
      case '*':
        return rest === '-1' ? null : this.#array(Number(rest))
      default:
        throw new Error(`not RESP2: ${JSON.stringify(line.slice(0, 40))}`)
    }
  }

  #line(): Bytes | typeof incomplete {
    const end = this.#buffer.indexOf('\r\n', this.#at)
    if (end === -1) return incomplete
    const line = this.#buffer.slice(this.#at, end)
    this.#at = end + 2
    return line
  }

  #bulk(length: number): Bytes | typeof incomplete {
    const end = this.#at + length
    if (this.#buffer.length < end + 2) return incomplete
    const bytes = this.#buffer.slice(this.#at, end)
    this.#at = end + 2
    return bytes
  }

  #array(length: number): Reply[] | typeof incomplete {
    const items: Reply[] = []
    while (items.length < length) {
      const item = this.#read()
      if (item === incomplete) return incomplete
      items.push(item)
    }
    return items
  }
}
