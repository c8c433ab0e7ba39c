import { onBehalfOf } from '../adapters/request-context.ts'
import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment } from '../jobs/queue/poll.ts'
import { log, reasonOf } from '../kernel/log.ts'
import type { Attempt } from './attempt.ts'
import { deliverMessage } from './deliver-message.ts'
import { http } from './http.ts'

type Handler = (env: Env, tenant: string, payload: string, attempt: Attempt) => Promise<Outcome>

/** The handler of every type of job. */
const handlers: Readonly<Record<string, Handler>> = {
  'deliver-message': deliverMessage,
  http,
  join,
}

/**
 * Runs a job's handler; an error it throws is an outcome like any other. A job of an unknown type is retried before it is
 * dead: while a new version is rolled out, the next worker may know the type.
 */
export async function runHandler(env: Env, tenant: string, job: Assignment, attempt: Attempt): Promise<Outcome> {
  const handler = Object.hasOwn(handlers, job.type) ? handlers[job.type] : undefined
  if (handler === undefined) return { kind: 'retry', error: 'unknown-type', reason: `no handler for ${job.type}` }
  const { traceparent } = job
  const run = async () => await handler(env, tenant, job.payload, attempt)
  return await onBehalfOf(traceparent === undefined ? undefined : { traceparent }, () => settled(job, run))
}

/** An error that a handler throws is an outcome like any other. */
async function settled(job: Assignment, run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run()
  } catch (thrown) {
    log.warn('jobs.handler-failed', { type: job.type, id: job.id, reason: reasonOf(thrown) })
    return { kind: 'retry', error: 'thrown', reason: reasonOf(thrown) }
  }
}

/** Does nothing itself: it is done when all jobs it waited for are, and its result has theirs by their ids. */
async function join(_env: Env, _tenant: string, _payload: string, { collected }: Attempt): Promise<Outcome> {
  if (collected.length === 0) return { kind: 'done' }
  const results = collected.map(({ id, result }) => `${JSON.stringify(id)}:${result ?? 'null'}`)
  return { kind: 'done', result: `{${results.join(',')}}` }
}
