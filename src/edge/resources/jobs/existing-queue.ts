import type { jobQueueOf } from '../../../../durable-objects/address.ts'
import { callQueue } from '../../../../durable-objects/open-actors.ts'
import type { Env } from '../../../env.ts'
import { BoundedMap } from '../../../kernel/bounded-map.ts'
import { fail } from '../../http/problem.ts'

type Queue = ReturnType<typeof jobQueueOf>

/** Names of queues that were found, as `tenant/queue`; a queue never ends. */
const found = new BoundedMap<string, true>(20_000)

/** Whether the tenant has the queue: `default` keeps the names of all others. No other queue is called. */
export async function hasQueue(env: Env, tenant: string, queue: string): Promise<boolean> {
  const name = `${tenant}/${queue}`
  if (queue === 'default' || found.has(name)) return true
  if (!(await callQueue(env, tenant, 'default', true, (first) => first.hasQueue(queue)))) return false
  found.set(name, true)
  return true
}

/** Calls a queue that the tenant has; one that was never used is answered 404, and is not made. */
export async function callExisting<R>(
  env: Env,
  tenant: string,
  queue: string,
  call: (queue: Queue) => R,
): Promise<Awaited<R>> {
  if (await hasQueue(env, tenant, queue)) return await callQueue(env, tenant, queue, true, call)
  return fail('not-found', `queue: there is no queue ${queue}; its first job, schedule or setting makes it`)
}

/** Resolves once a queue that may be new has a place among the open actors. Throws `TooManyActors`. */
export const whenQueueAdmitted = async (env: Env, tenant: string, queue: string): Promise<void> =>
  await callNew(env, tenant, queue, () => undefined)

/** Calls a queue that this call may make. */
export const callNew = async <R>(
  env: Env,
  tenant: string,
  queue: string,
  call: (queue: Queue) => R,
): Promise<Awaited<R>> => await callQueue(env, tenant, queue, found.has(`${tenant}/${queue}`), call)
