import type { Bytes } from '../../bytes.ts'
import { type Reply, failure, status } from '../../reply.ts'

/**
 * How replies cross between JavaScript and Lua: RESP with one item per line and awkward bytes as %XX.
 *
 * Only ASCII text crosses. wasmoon hands strings over as UTF-8 and numbers as doubles, so bytes would be mangled, and
 * objects would cross as live proxies into the Lua heap.
 */
export function encodeReply(reply: Reply): string {
  if (reply === null) return '_\n'
  if (typeof reply === 'string') return `$${escape(reply)}\n`
  if (Array.isArray(reply)) return `*${reply.length}\n${reply.map(encodeReply).join('')}`
  if (typeof reply === 'object') return `${reply.kind === 'status' ? '+' : '-'}${escape(reply.text)}\n`
  return `:${reply}\n`
}

/** Reads what `encodeReply`, or its twin in the prelude, wrote. */
export function decodeReply(text: string): Reply {
  const lines = text.split('\n').values()
  return readNext(lines)
}

/** Writes bytes as ASCII that is safe inside a Lua string literal. */
export function escape(bytes: Bytes): string {
  return bytes.replaceAll(/[^A-Za-z0-9:_. -]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Reads what `escape` wrote. */
export function unescape(text: string): Bytes {
  return text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function readNext(lines: Iterator<string>): Reply {
  const { value: line = '' } = lines.next()
  const rest = String(line).slice(1)
  switch (String(line).charAt(0)) {
    case '$':
      return unescape(rest)
    case ':':
      return Number(rest)
    case '+':
      return status(unescape(rest))
    case '-':
      return failure(unescape(rest))
    case '*':
      return Array.from({ length: Number(rest) }, () => readNext(lines))
    default:
      return null
  }
}
