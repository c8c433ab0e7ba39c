import type { Principal } from '../../../auth/principal.ts'
import { fail } from '../../http/problem.ts'

type Caller = Exclude<Principal, { kind: 'anonymous' }>

/** Refuses a user token that is not of the user in the path. */
export function requireSelf(caller: Caller, user: string): void {
  if (caller.kind === 'user' && caller.user !== user)
    fail('not-allowed', 'user: a user token is for its own user only; use an API key for another one')
}

/** The user that a request is about: that of the token, or with an API key the one in `user`. */
export function ownerOf(caller: Caller, user: string | undefined): string {
  if (caller.kind === 'server')
    return user ?? fail('invalid-request', 'user: an API key must name the user whose feed it is')
  if (user !== undefined) requireSelf(caller, user)
  return caller.user
}
