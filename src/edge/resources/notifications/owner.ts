import type { Principal } from '../../../auth/principal.ts'
import { fail } from '../../http/problem.ts'
import { requireSelf } from '../users/self.ts'

type Caller = Exclude<Principal, { kind: 'anonymous' }>

/** The user that a request is about: that of the token, or with an API key the one in `user`. */
export function ownerOf(caller: Caller, user: string | undefined): string {
  if (caller.kind === 'server')
    return user ?? fail('invalid-request', 'user: an API key must name the user whose feed it is')
  if (user !== undefined) requireSelf(caller, user)
  return caller.user
}
