import type { Env } from '../src/env.ts'
import { facadeOf } from './address.ts'
import { admitted } from './open-actors.ts'

/** Calls the actor with the routes of a tenant's facade once there is a place for it; throws `TooManyActors` as `whenAdmitted` does. */
export const callFacade = <R>(
  env: Env,
  tenant: string,
  call: (facade: ReturnType<typeof facadeOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'facade', tenant, name: 'facade', isKnown: true }, () => call(facadeOf(env, tenant)))
