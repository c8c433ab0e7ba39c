import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment } from '../jobs/queue/queue.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { GivenJson } from '../protocol/given-json.ts'
import type { Attempt } from './attempt.ts'
import { deliverMessage } from './deliver-message.ts'
import { http } from './http.ts'
import { join } from './join.ts'

type Handler = (env: Env, tenant: string, payload: GivenJson, attempt: Attempt) => Promise<Outcome>

/** Every type of job and who does it. */
const handlers: Readonly<Record<string, Handler>> = {
  'deliver-message': deliverMessage,
  http,
  join,
}

/**
 * Runs a job's handler. Whatever a handler throws is an outcome like any other. A type nobody knows is tried again
 * before it is parked: while a new version is rolled out, the next visitor may know it.
 */
export async function runHandler(env: Env, tenant: string, job: Assignment, attempt: Attempt): Promise<Outcome> {
  const handler = Object.hasOwn(handlers, job.type) ? handlers[job.type] : undefined
  if (handler === undefined) return { kind: 'retry', error: 'unknown-type', why: `no handler for ${job.type}` }
  try {
    return await handler(env, tenant, new GivenJson(JSON.parse(job.payload), job.payload), attempt)
  } catch (thrown) {
    log.warn('jobs.handler-failed', { type: job.type, id: job.id, why: reasonOf(thrown) })
    return { kind: 'retry', error: 'thrown', why: reasonOf(thrown) }
  }
}
