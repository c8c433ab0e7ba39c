import type { Bytes } from '../bytes.ts'

/** A command as RESP2 sends it: an array of bulk strings. */
export function encodeCommand(words: readonly Bytes[]): Buffer {
  const bulks = words.map((word) => `$${word.length}\r\n${word}\r\n`)
  return Buffer.from(`*${words.length}\r\n${bulks.join('')}`, 'latin1')
}
