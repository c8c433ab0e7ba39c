import type { Env } from '../src/env.ts'
import { moderationOf } from './address.ts'
import { admitted } from './open-actors.ts'

/** Calls the actor with a tenant's bans and reports once there is a place for it; throws `TooManyActors` as `whenAdmitted` does. */
export const callModeration = <R>(
  env: Env,
  tenant: string,
  call: (moderation: ReturnType<typeof moderationOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'moderation', tenant, name: 'moderation', isKnown: true }, () =>
    call(moderationOf(env, tenant)),
  )
