import type { Env } from '../env.ts'
import type { Job, Outcome } from '../jobs/job.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { deliverMessage } from './deliver-message.ts'

type Handler = (env: Env, tenant: string, payload: unknown) => Promise<Outcome>

/** Every type of job and who does it. */
const handlers: Readonly<Record<string, Handler>> = {
  'deliver-message': deliverMessage,
}

/** Runs a job's handler. A type nobody knows, and whatever a handler throws, is an outcome like any other. */
export async function runHandler(env: Env, tenant: string, job: Job): Promise<Outcome> {
  const handler = Object.hasOwn(handlers, job.type) ? handlers[job.type] : undefined
  if (handler === undefined) return { kind: 'discard', why: `no handler for ${job.type}` }
  try {
    return await handler(env, tenant, JSON.parse(job.payload))
  } catch (thrown) {
    log.warn('jobs.handler-failed', { type: job.type, id: job.id, why: reasonOf(thrown) })
    return { kind: 'retry', why: reasonOf(thrown) }
  }
}
