import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Attempt } from './attempt.ts'
import { deliverMessage } from './deliver-message.ts'
import { http } from './http.ts'

export type Handler = (env: Env, tenant: string, payload: string, attempt: Attempt) => Promise<Outcome>

/** The handler of every type of job. */
export const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['deliver-message', deliverMessage],
  ['http', http],
  ['join', join],
])

/** Does nothing itself: it is done when all jobs it waited for are, and its result has theirs by their ids. */
async function join(_env: Env, _tenant: string, _payload: string, { job: { collected } }: Attempt): Promise<Outcome> {
  if (collected.length === 0) return { kind: 'done' }
  const results = collected.map(({ id, result }) => `${JSON.stringify(id)}:${result ?? 'null'}`)
  return { kind: 'done', result: `{${results.join(',')}}` }
}
