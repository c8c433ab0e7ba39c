import type { Principal } from '../../../auth/principal.ts'
import type { Actor } from '../../../conversations/types.ts'
import { fail } from '../../http/problem.ts'

/** A tenant's server or one of its users. */
export type Caller = Exclude<Principal, { kind: 'anonymous' }>

/** The caller as a conversation knows it; `user` is a member that an API key acts for. */
export const actorOf = (caller: Caller, user = ''): Actor =>
  caller.kind === 'user' ? { user: caller.user, client: '', server: false } : { user, client: '', server: true }

/** The user that the caller acts for: themselves, or with an API key the member in `user`, "" for the tenant itself. */
export function actingUser(caller: Caller, user: string | undefined): string {
  if (caller.kind === 'server') return user ?? ''
  if (user !== undefined && user !== caller.user) fail('not-allowed', 'user: only an API key may act for another user')
  return caller.user
}
