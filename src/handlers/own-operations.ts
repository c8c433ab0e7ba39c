import { z } from 'zod'
import { platformOf, tenantOf } from '../../durable-objects/address.ts'
import type { TenantStep } from '../../durable-objects/contracts.ts'
import type { Env } from '../env.ts'
import type { Outcome } from '../sagas/advance.ts'
import type { Effect, SagaDocument } from '../sagas/run.ts'
import { continueErasure } from './erase-user.ts'

const ofTenant = z.object({ tenant: z.string() })
const ofUser = ofTenant.extend({ user: z.string() })
/** A tenant that was restored and deleted again has another `requestedAt`. */
const ofDeletion = ofTenant.extend({ requestedAt: z.number() })

type OwnOperation = (env: Env, input: unknown, step: string) => Promise<Outcome>

/** What steps of the platform's own sagas do. Each may be repeated. */
const operations: Readonly<Record<string, OwnOperation>> = {
  'tenant.register': async (env, input) => {
    await platformOf(env).noteTenant(ofTenant.parse(input).tenant)
    return { kind: 'done' }
  },
  'tenant.place': async (env, input) => outcomeOf(await tenantOf(env, ofTenant.parse(input).tenant).continueCreation()),
  // The tenant suspended itself in the commit of its deletion.
  'tenant.suspend': async () => ({ kind: 'done' }),
  'tenant.restore': async (env, input) => {
    const { tenant, requestedAt } = ofDeletion.parse(input)
    const restored = await tenantOf(env, tenant).restore(requestedAt)
    const isLeft = 'kind' in restored && (await tenantOf(env, tenant).deletion())?.requestedAt === requestedAt
    return isLeft ? { kind: 'not-started', isFinal: true, reason: restored.detail ?? restored.error } : { kind: 'done' }
  },
  'tenant.deletion': async (env, input, step) => {
    const { tenant, requestedAt } = ofDeletion.parse(input)
    const progress = await tenantOf(env, tenant).continueDeletion(step, requestedAt)
    // Before the grace is over a tenant that was restored ends the run; afterwards nothing is left to do.
    if (progress.kind === 'none' && step === 'grace')
      return { kind: 'not-started', isFinal: true, reason: 'the tenant was restored' }
    return outcomeOf(progress)
  },
  // The inbox refused the tokens in the commit of the request.
  'user.revoke': async () => ({ kind: 'done' }),
  'user.erase': async (env, input, step) => await continueErasure(env, ofUser.parse(input), step),
}

const outcomeOf = (progress: TenantStep): Outcome =>
  progress.kind === 'unfinished' ? progress : { kind: 'done', result: progress.kind }

/** Makes a step of a saga of the platform. */
export async function performOwn(env: Env, name: string, document: SagaDocument, { step }: Effect): Promise<Outcome> {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
  if (operation === undefined)
    return { kind: 'not-started', reason: `this version has no operation "${name}" of the platform` }
  return await operation(env, document.input, step)
}
