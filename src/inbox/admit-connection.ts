import { refuse, type Refusal } from '../protocol/errors.ts'
import type { ConnectionClaim } from '../protocol/stream.ts'
import { bannedMark } from './user-ban.ts'

/**
 * Whether a user may have this connection: its token is younger than the last revocation (-1: there was none), and with
 * the connections at other gateways (`elsewhere`) the user has no more than allowed. A subscription without a claim
 * belongs to a connection that is admitted already.
 */
export function admitConnection(
  pass: ConnectionClaim | undefined,
  { revokedAt, elsewhere }: { readonly revokedAt: number; readonly elsewhere: number },
): Refusal | undefined {
  if (pass === undefined) return undefined
  if (revokedAt === bannedMark) return refuse('banned', 'your tenant has banned this user')
  if (pass.issuedAt <= revokedAt) return refuse('unauthorized', 'this token was revoked')
  if (pass.connections + elsewhere > pass.atMost)
    return refuse('limitExceeded', `at most ${pass.atMost} connections of one user`)
  return undefined
}
