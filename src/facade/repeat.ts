import type { FacadeDefinition, fallbackReasons } from '../protocol/facade-api.ts'
import { otherSide, type Side } from './route.ts'

export type FallbackReason = (typeof fallbackReasons)[number]

/** What is known of a request before its body is read. */
export interface Sendable {
  readonly method: string
  readonly hasBody: boolean
  /** As `Content-Length` says; undefined when it does not. */
  readonly bodyBytes: number | undefined
}

/** Methods without an effect (RFC 9110 §9.2.1). */
export const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD' || method === 'OPTIONS'

/** Methods whose effect is the same when they are repeated (RFC 9110 §9.2.2). */
const isIdempotent = (method: string): boolean => isSafe(method) || method === 'PUT' || method === 'DELETE'

/** Whether the body can be sent twice: there is none, or one short enough to be kept. */
export const canReplay = ({ hasBody, bodyBytes }: Sendable, bytes: number): boolean =>
  !hasBody || (bodyBytes !== undefined && bodyBytes <= bytes)

/** Whether a request may be sent to the other side after the first may have received it. */
export const mayRepeat = ({ fallback }: FacadeDefinition, request: Sendable): boolean =>
  (isIdempotent(request.method) || fallback.unsafe) && canReplay(request, fallback.replayBytes)

/** Whether the other side is sent a copy, beside its share. */
export const mayShadow = ({ shadow, fallback }: FacadeDefinition, request: Sendable): boolean =>
  (isSafe(request.method) || shadow.unsafe) && canReplay(request, fallback.replayBytes)

/** The side that takes over from `side` for a reason, if one may. A request that was not sent may go there whatever it is. */
export function fallbackOf(
  { fallback }: FacadeDefinition,
  side: Side,
  reason: FallbackReason,
  isRepeatable: boolean,
): Side | undefined {
  if (!fallback.on.includes(reason) || (side === 'legacy' && !fallback.both)) return undefined
  return reason === 'breaker' || isRepeatable ? otherSide(side) : undefined
}
