import type { Ready } from '../kernel/ready.ts'
import { within } from '../kernel/retry.ts'
import type { LeaseHolder } from './holder.ts'
import type { Limiter } from './ports.ts'

/** A limiter that takes longer counts as unreachable, in milliseconds. */
export const limiterTimeoutMs = 2000

/** The limiter of a name. Called only when it has to be asked. */
export type FindLimiter = (name: string) => Limiter

/**
 * The limiter of a name, which is looked up when it is asked and has `limiterTimeoutMs` to lend. `admit` throws
 * `TooManyActors` where there is no place to open it; what a limiter lent before is returned to it all the same.
 */
export const reachLimiter = (
  { admit, named }: { readonly admit: (name: string) => Ready<void>; readonly named: FindLimiter },
  name: string,
): Limiter => ({
  lease: async (ask) => {
    const ready = admit(name)
    if (ready instanceof Promise) await ready
    return await within(limiterTimeoutMs, 'the limiter', named(name).lease(ask))
  },
  settle: (closing) => named(name).settle(closing),
  refund: (units, at) => named(name).refund(units, at),
})

/**
 * Returns units that are lent to a holder and not spent there to their limiters; undefined when there are none. Units that fail
 * to return are lost until they refill.
 */
export function returnIdle(holder: LeaseHolder, find: FindLimiter, now: number): Promise<unknown> | undefined {
  const idle = holder.idle(now)
  if (idle.length === 0) return undefined
  return Promise.allSettled(idle.map(async ({ key, closing }) => await find(key).settle(closing)))
}
