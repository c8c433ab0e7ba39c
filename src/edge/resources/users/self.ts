import type { Principal } from '../../../auth/principal.ts'
import { fail } from '../../http/problem.ts'

/** Refuses a user token that is not of the user in the path. */
export function requireSelf(caller: Exclude<Principal, { kind: 'anonymous' }>, user: string): void {
  if (caller.kind === 'user' && caller.user !== user)
    fail('not-allowed', 'user: a user token is for its own user only; use an API key for another one')
}
