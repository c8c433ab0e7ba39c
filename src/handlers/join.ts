import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { GivenJson } from '../protocol/given-json.ts'
import type { Attempt } from './attempt.ts'

/** Does nothing itself: it is there to end when all it waited for has, and brings together what they brought. */
export async function join(_env: Env, _tenant: string, _payload: GivenJson, { collected }: Attempt): Promise<Outcome> {
  if (collected.length === 0) return { kind: 'done' }
  const results = collected.map(({ id, result }) => `${JSON.stringify(id)}:${result ?? 'null'}`)
  return { kind: 'done', result: `{${results.join(',')}}` }
}
