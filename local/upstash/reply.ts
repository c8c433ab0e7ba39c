/**
 * A Redis byte string: one UTF-16 unit per byte (0 to 255). Redis values are bytes, not text. In this form they are Map
 * keys and lose nothing when a value is not UTF-8.
 */
export type Bytes = string

/** The UTF-8 bytes of a text. */
export const toBytes = (text: string): Bytes => Buffer.from(text, 'utf8').toString('latin1')

/** The bytes read as UTF-8. Invalid sequences become U+FFFD, as in Upstash's answers without base64. */
export const toText = (bytes: Bytes): string => Buffer.from(bytes, 'latin1').toString('utf8')

/** A RESP2 simple string such as `OK`, or an error with its code word, such as `ERR syntax error`. */
export interface Line {
  readonly kind: 'status' | 'error'
  readonly text: Bytes
}

/** A RESP2 reply: bulk string, integer, nil, simple string or error, array. */
export type Reply = Bytes | number | bigint | null | Line | readonly Reply[]

export const status = (text: Bytes): Line => ({ kind: 'status', text })
export const failure = (text: Bytes): Line => ({ kind: 'error', text })
export const OK = status('OK')

/** What the REST server needs from a Redis: the embedded engine or a real server. */
export interface Backend {
  /** Runs commands in order and returns one reply for each, errors included. Rejects only when Redis is unreachable. */
  pipeline(commands: readonly Bytes[][]): Promise<readonly Reply[]>
  /** Runs commands as one MULTI … EXEC. Returns the array of replies, or the error that discarded the transaction. */
  transaction(commands: readonly Bytes[][]): Promise<Reply>
  /** Saves unsaved changes and closes connections. */
  stop(): Promise<void>
}
