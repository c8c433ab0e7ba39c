import { refuse, type Refusal } from '../protocol/errors.ts'
import type { ConnectionClaim } from '../protocol/stream.ts'

/**
 * Whether a user may have this connection: its token is younger than the last revocation (-1: there was none), and with those at other
 * gateways (`elsewhere`) she has no more than she may. A subscription without a pass is of a connection that is in.
 */
export function admitConnection(
  pass: ConnectionClaim | undefined,
  { revokedAt, elsewhere }: { readonly revokedAt: number; readonly elsewhere: number },
): Refusal | undefined {
  if (pass === undefined) return undefined
  if (pass.issuedAt <= revokedAt) return refuse('unauthorized', 'this token was revoked')
  if (pass.connections + elsewhere > pass.atMost)
    return refuse('limitExceeded', `at most ${pass.atMost} connections of one user`)
  return undefined
}
