import { callActorsOf } from '../../../src/adapters/contexts.ts'
import { refuseAll } from '../../../src/conversations/apply-commands.ts'
import type { LeavingContext } from '../../../src/contexts.ts'
import type { Env } from '../../../src/env.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import { TooManyActors, type ActorName } from '../../../src/limits/open-actors.ts'
import { parseChannel } from '../../../src/protocol/channels.ts'
import { refuseTooFast } from '../../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../../src/protocol/stream.ts'
import { inboxOf, jobQueueOf, processViewOf, sagaOf, topicOf } from '../../address.ts'
import { patientWaitMs, processActor, sagaActor, whenAdmitted } from '../../open-actors.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** Calls the actor of a channel that is no conversation. */
export function callOtherStream(
  { env, names }: GatewayContext,
  tenant: string,
  channel: string,
  call: StreamCall,
): Promise<StreamAnswer> | undefined {
  const parsed = parseChannel(channel)
  if (parsed?.kind === 'job') {
    const { queue, job } = parsed
    const actor = { kind: 'queue', tenant, name: queue, isKnown: true } as const
    const execute = () => callOpen(env, actor, call, () => jobQueueOf(env, tenant, queue).follow(job, call), 'jobs')
    return call.have !== null ? execute() : callIfKnown(call, names.hasQueue(tenant, parsed.queue), execute)
  }
  if (parsed?.kind === 'topic') {
    const actor = { kind: 'topic', tenant, name: channel, isKnown: call.have !== null || isPatient(call) } as const
    return callOpen(env, actor, call, () => topicOf(env, tenant, channel).execute(call))
  }
  if (parsed?.kind === 'saga') {
    const actor = sagaActor(tenant, parsed.run)
    return callOpen(env, actor, call, () => sagaOf(env, tenant, parsed.run).follow(parsed.run, call), 'events')
  }
  if (parsed?.kind === 'process') {
    const { process, correlation } = parsed
    // One actor serves all instances; a name that the tenant does not have is new, and bounded as such.
    const actor = { ...processActor(tenant, process), isKnown: call.have !== null }
    return callOpen(env, actor, call, () => processViewOf(env, tenant, process).follow(correlation, call), 'events')
  }
  if (parsed?.kind !== 'inbox') return undefined
  const actor = { kind: 'inbox', tenant, name: parsed.user, isKnown: true } as const
  return callOpen(env, actor, call, () => inboxOf(env, tenant, parsed.user).execute(call))
}

/** Ends of subscriptions, and a question after a failure: no client waits for the answer. */
const isPatient = ({ commands }: StreamCall): boolean => commands.every(({ kind }) => kind === 'leave')

/** Calls an actor once it has a place among the open ones; where that takes too long its commands are refused. */
export async function callOpen(
  env: Env,
  actor: ActorName,
  call: StreamCall,
  execute: () => Promise<StreamAnswer> | undefined,
  context?: LeavingContext,
): Promise<StreamAnswer> {
  try {
    const ready = whenAdmitted(env, actor, isPatient(call) ? patientWaitMs : undefined)
    if (ready instanceof Promise) await ready
  } catch (thrown) {
    if (!(thrown instanceof TooManyActors)) throw thrown
    const refusal = refuseTooFast('actors', thrown.retryAfterMs)
    return { ...refuseAll(call), results: call.commands.map(() => refusal) }
  }
  return (await (context === undefined ? execute() : callActorsOf(env, context, execute))) ?? refuseAll(call)
}

/** Calls an actor if its name is known, or refuses as the actor would: an invented name wakes no actor. */
export function callIfKnown(
  call: StreamCall,
  isKnown: Ready<boolean>,
  execute: () => Promise<StreamAnswer> | undefined,
): Promise<StreamAnswer> | undefined {
  if (isKnown === true) return execute()
  const refused = refuseAll(call)
  return Promise.resolve(isKnown).then(async (exists) => (exists ? ((await execute()) ?? refused) : refused))
}
