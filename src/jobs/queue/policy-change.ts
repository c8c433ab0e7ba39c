import type { Policy } from '../model/policy.ts'
import type { Rate } from '../model/rate.ts'
import { promote } from './queue.ts'
import type { QueueStores } from './stores.ts'

/**
 * Changes the policy of the queue. Another rate begins with a bucket that is at most empty, however far ahead the old one had
 * reserved. Starts that were reserved by the old `keyRate` are reserved anew.
 */
export function changePolicy(stores: QueueStores, change: Partial<Policy>, now: number): Policy {
  const before = stores.settings.policy
  const policy = { ...before, ...change }
  stores.settings.setPolicy(policy)
  const emptied = policy.rate === null ? Infinity : now + policy.rate.seconds * 1000
  if (stores.settings.rate > emptied) stores.settings.setRate(emptied)
  if (isSameRate(before.keyRate, policy.keyRate)) return policy
  stores.keys.releaseReserved(now)
  while (promote(stores, now));
  return policy
}

const isSameRate = (one: Rate | null, other: Rate | null): boolean =>
  one?.count === other?.count && one?.seconds === other?.seconds
