import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sagaOf } from '../../../durable-objects/address.ts'
import { deletionView } from '../../../src/protocol/deletion-api.ts'
import { sagaRun } from '../../../src/protocol/sagas-api.ts'
import { deletionRun, ownSagasTenant } from '../../../src/sagas/own.ts'
import { settleMs } from '../../../src/tenants/deletion.ts'
import { eventually } from './bounded.ts'
import { pass } from './clock.ts'
import { call } from './http.ts'
import { operatorKey } from './tenant.ts'

export const deletionOf = async (id: string) =>
  deletionView.parse((await call(`GET /admin/v1/tenants/${id}/deletion`, { as: operatorKey })).body)

/** Lets the run that deletes a tenant make its next call, and waits until the call has ended. */
export async function deletionTurn(id: string): Promise<void> {
  const run = deletionRun(id, (await deletionOf(id)).requestedAt)
  await runDurableObjectAlarm(env.TENANT.getByName(id))
  const actor = sagaOf(env, ownSagasTenant, run)
  await runDurableObjectAlarm(actor)
  await eventually('the end of a call', async () => {
    const { body } = await call(`GET /admin/v1/saga-runs/${run}`, { as: operatorKey })
    return sagaRun.parse(body).steps.every(({ state }) => state !== 'active') || undefined
  })
}

/**
 * Keeps the alarms that drive a deletion; the answer sets those again that are gone. A turn that a test cuts off loses its alarm, since
 * `runDurableObjectAlarm` deletes it first. On Cloudflare an alarm whose handler did not end rings again.
 */
export async function keepAlarms(id: string): Promise<() => Promise<void>> {
  const run = deletionRun(id, (await deletionOf(id)).requestedAt)
  // Made anew each time: a stub does not outlive its actor.
  const actors = (): DurableObjectStub[] => [env.TENANT.getByName(id), sagaOf(env, ownSagasTenant, run)]
  const kept = actors().map((actor) => runInDurableObject(actor, (_, { storage }) => storage.getAlarm()))
  const alarms = await Promise.all(kept)
  return async () => {
    for (const [place, actor] of actors().entries()) {
      const at = alarms[place]
      if (typeof at !== 'number') continue
      await runInDurableObject(actor, async (_, { storage }) => {
        if ((await storage.getAlarm()) === null) await storage.setAlarm(at)
      })
    }
  }
}

/** Puts the stopped clock forward until nothing is left of a deleted tenant. */
export async function eraseTenant(id: string): Promise<void> {
  for (let turns = 0; (await deletionOf(id)).phase !== 'deleted'; turns++) {
    if (turns > 100) throw new Error('the deletion does not end')
    pass(settleMs)
    await deletionTurn(id)
  }
}
