import { within } from '../kernel/retry.ts'
import type { LeaseHolder } from './holder.ts'
import type { Limiter } from './ports.ts'

/** A limiter that takes longer counts as unreachable, in milliseconds. */
export const limiterTimeoutMs = 2000

/** The limiter of a name. Called only when it has to be asked. */
export type FindLimiter = (name: string) => Limiter

/**
 * The limiter of a name, which is looked up when it is asked and has `limiterTimeoutMs` to lend. `admitted` throws where the
 * tenant uses too many actors already; what a limiter was told before reaches it by `named` all the same.
 */
export const reachLimiter = (
  { admitted, named }: { readonly admitted: FindLimiter; readonly named: FindLimiter },
  name: string,
): Limiter => ({
  lease: async (ask) => await within(limiterTimeoutMs, 'the limiter', admitted(name).lease(ask)),
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
