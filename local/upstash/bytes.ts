/**
 * A Redis byte string: one UTF-16 unit per byte (0 to 255).
 *
 * Redis values are bytes, not text. Held this way they are Map keys, compare like memcmp, and lose
 * nothing when a value is not UTF-8. Text comes in by `toBytes` and leaves by `toText` or `toBase64`.
 */
export type Bytes = string

/** The UTF-8 bytes of a text. */
export const toBytes = (text: string): Bytes => Buffer.from(text, 'utf8').toString('latin1')

/** The bytes read as UTF-8; what is not UTF-8 becomes U+FFFD, as Upstash answers without base64. */
export const toText = (bytes: Bytes): string => Buffer.from(bytes, 'latin1').toString('utf8')

/** The bytes in base64, for `Upstash-Encoding: base64`. */
export const toBase64 = (bytes: Bytes): string => Buffer.from(bytes, 'latin1').toString('base64')
