import { WorkerEntrypoint } from 'cloudflare:workers'
import { eventLogOf, sagaActorName, sagaCatalogOf } from '../../durable-objects/address.ts'
import { workerOf } from '../adapters/contexts.ts'
import { BadExpression, callSagaEndpoint, readAnswer, valueOf, type PreparedCall } from '../adapters/saga-endpoint.ts'
import { asServerOf } from '../edge/http/inner-request.ts'
import type { Env } from '../env.ts'
import type { EventWait } from '../events/log-event.ts'
import { systemClock } from '../kernel/clock.ts'
import { KnownFor } from '../kernel/known-for.ts'
import { within } from '../kernel/retry.ts'
import type { Outcome } from '../sagas/advance.ts'
import { outcomeOfAnswer } from '../sagas/answer.ts'
import { eventResult } from '../sagas/event-result.ts'
import type { AwaitedEvent, OperationCall } from '../sagas/definition.ts'
import type { Effect, SagaDocument } from '../sagas/run.ts'
import { ownSagasTenant } from '../sagas/own.ts'
import { performOwn } from './own-operations.ts'

/** For how long an isolate uses the secrets that it has, in milliseconds. */
const secretsForMs = 10_000

const secretsOfTenants = new KnownFor<readonly string[]>(secretsForMs, 1000)

/** Forgets the secrets, for simulations whose days share a process. */
export const forgetSagaSecrets = (): void => secretsOfTenants.clear()

/**
 * Makes calls of sagas, one in each invocation: operations, waits for events, and calls to endpoints beyond those that the actor of
 * the runs makes itself.
 */
export class SagaWorker extends WorkerEntrypoint<Env> {
  async perform(tenant: string, wanted: Effect, document: SagaDocument): Promise<Outcome> {
    const effect = { ...wanted, document }
    const { action } = effect
    try {
      if ('url' in action)
        return await callSagaEndpoint(this.env, tenant, action, effect, await secretsOf(this.env, tenant))
      if (tenant === ownSagasTenant && 'operation' in action)
        // The platform's own operations are those of the core.
        return await (workerOf(this.env, 'core')?.perform(tenant, wanted, document) ??
          performOwn(this.env, action.operation, document, wanted))
      if ('event' in action) return await awaitEvent(this.env, tenant, action, effect)
      return await callOperation(this.env, this.ctx, tenant, action, effect)
    } catch (thrown) {
      if (thrown instanceof BadExpression) return { kind: 'not-started', isFinal: true, reason: thrown.message }
      throw thrown
    }
  }
}

/** Calls an operation of this API as the tenant's own server. */
async function callOperation(
  env: Env,
  context: ExecutionContext,
  tenant: string,
  { operation, input }: OperationCall,
  effect: PreparedCall,
): Promise<Outcome> {
  const given = input === undefined ? {} : valueOf(input, effect)
  const asked = asServerOf(env, context, tenant, operation, given, effect.key)
  const response = await within(effect.timeoutMs, 'the operation', asked)
  if (typeof response === 'string') return { kind: 'not-started', isFinal: true, reason: response }
  return outcomeOfAnswer(await readAnswer(response), systemClock.now())
}

/** Has the log of a topic notify the run of an event; one that was published before counts as well. */
async function awaitEvent(
  env: Env,
  tenant: string,
  { topic, event: type, correlation }: AwaitedEvent,
  effect: PreparedCall,
): Promise<Outcome> {
  const value = valueOf(correlation, effect)
  if (typeof value !== 'string' && typeof value !== 'number')
    return { kind: 'not-started', isFinal: true, reason: 'wait.correlation: gives neither a text nor a number' }
  const wait: EventWait = {
    id: effect.key,
    waiter: { kind: 'saga', name: sagaActorName(tenant, effect.run) },
    type,
    correlation: String(value),
    after: 0,
    until: effect.until ?? 0,
  }
  const answer = await eventLogOf(env, tenant, topic).awaitEvent(wait)
  if (answer.kind === 'refused') return { kind: 'not-started', reason: answer.detail ?? answer.error }
  return answer.kind === 'found' ? { kind: 'done', result: eventResult(answer.event) } : { kind: 'waiting' }
}

async function secretsOf(env: Env, tenant: string, now = systemClock.now()): Promise<readonly string[]> {
  const known = secretsOfTenants.get(tenant, now)
  if (known !== undefined) return known
  const secrets = await sagaCatalogOf(env, tenant).secrets()
  secretsOfTenants.set(tenant, secrets, now)
  return secrets
}
