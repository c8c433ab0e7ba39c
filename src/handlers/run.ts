import { forRequest, type Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment } from '../jobs/queue/poll.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf } from '../kernel/request-context.ts'
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
  const scoped = traceparent === undefined ? env : forRequest(env, { traceparent })
  return await settled(scoped, job, async () => await handler(scoped, tenant, job.payload, attempt))
}

/** An error that a handler throws is an outcome like any other. */
async function settled(env: Env, job: Assignment, run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run()
  } catch (thrown) {
    log.warn('jobs.handler-failed', { ...idsOf(env.request), type: job.type, id: job.id, reason: reasonOf(thrown) })
    return { kind: 'retry', error: 'thrown', reason: reasonOf(thrown) }
  }
}

/** Does nothing itself: it is done when all jobs it waited for are, and its result has theirs by their ids. */
async function join(_env: Env, _tenant: string, _payload: string, { collected }: Attempt): Promise<Outcome> {
  if (collected.length === 0) return { kind: 'done' }
  const results = collected.map(({ id, result }) => `${JSON.stringify(id)}:${result ?? 'null'}`)
  return { kind: 'done', result: `{${results.join(',')}}` }
}
