import { refuseAll } from '../../../src/conversations/apply-commands.ts'
import type { Env } from '../../../src/env.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import { TooManyActors } from '../../../src/limits/named-actors.ts'
import { parseChannel } from '../../../src/protocol/channels.ts'
import { refuseTooFast } from '../../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall } from '../../../src/protocol/stream.ts'
import { inboxOf, jobQueueOf, topicOf } from '../../address.ts'
import { admittedTopic } from '../../named-actors.ts'
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
    // One actor serves all jobs of its queue.
    const execute = () => jobQueueOf(env, tenant, parsed.queue).follow(parsed.job, call)
    return call.have !== null ? execute() : callIfKnown(call, names.hasQueue(tenant, parsed.queue), execute)
  }
  if (parsed?.kind === 'topic') return callTopic(env, tenant, channel, call)
  return parsed?.kind === 'inbox' ? inboxOf(env, tenant, parsed.user).execute(call) : undefined
}

/** The end of a subscription, and a question after a failure, are never refused. */
async function callTopic(env: Env, tenant: string, channel: string, call: StreamCall): Promise<StreamAnswer> {
  if (call.commands.every(({ kind }) => kind === 'leave')) return await topicOf(env, tenant, channel).execute(call)
  try {
    return await admittedTopic(env, tenant, channel).execute(call)
  } catch (thrown) {
    if (!(thrown instanceof TooManyActors)) throw thrown
    const refusal = refuseTooFast('actors', thrown.retryAfterMs)
    return { ...refuseAll(call), results: call.commands.map(() => refusal) }
  }
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
