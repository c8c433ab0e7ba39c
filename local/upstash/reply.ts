import type { Bytes } from './bytes.ts'

/** A RESP2 simple string such as `OK`. */
export interface Status {
  readonly kind: 'status'
  readonly text: Bytes
}

/** A RESP2 error, its code word included: `ERR syntax error`. */
export interface Failure {
  readonly kind: 'error'
  readonly text: Bytes
}

/** Any RESP2 reply: bulk string, integer, nil, simple string, error, array. */
export type Reply = Bytes | number | bigint | null | Status | Failure | Reply[]

/** A simple string reply. */
export const status = (text: Bytes): Status => ({ kind: 'status', text })

/** An error reply. */
export const failure = (text: Bytes): Failure => ({ kind: 'error', text })

/** The reply of commands that have nothing else to say. */
export const OK = status('OK')

/** Tells an error reply from every other. */
export function isFailure(reply: Reply): reply is Failure {
  return typeof reply === 'object' && reply !== null && !Array.isArray(reply) && reply.kind === 'error'
}
