import { Hono } from 'hono'
import { jobQueueOf } from '../../../durable-objects/address.ts'
import { isFromQstash, jobReference } from '../../adapters/qstash/carrier.ts'
import { loadConfig } from '../../config.ts'
import { runHandler } from '../../handlers/run.ts'
import type { Outcome } from '../../jobs/job.ts'
import type { App } from '../context.ts'
import { fail } from '../problem.ts'

/** Where QStash brings jobs. What it brings is only a reference; the ledger says what is to be done, and whether still. */
export const jobs = new Hono<App>().post('/', async (c) => {
  const raw = await c.req.text()
  const signature = c.req.header('upstash-signature') ?? ''
  if (!(await isFromQstash(loadConfig(c.env), signature, raw)))
    return fail('unauthorized', 'Upstash-Signature: not QStash')

  const reference = jobReference.safeParse(parse(raw))
  if (!reference.success) return fail('invalid-request', 'not a job of ours')
  const { tenant, queue, id } = reference.data
  const ledger = jobQueueOf(c.env, tenant, queue)
  const job = await ledger.begin(id)
  if (job === undefined) return c.json({ state: 'settled' })

  const outcome = await runHandler(c.env, tenant, job)
  const settled = await ledger.settle(id, outcome)
  return answer(outcome, settled?.state === 'dead')
})

/** QStash repeats on anything but 2xx; 489 tells it that repeating is of no use. */
function answer(outcome: Outcome, dead: boolean): Response {
  if (outcome.kind !== 'retry') return Response.json({ outcome: outcome.kind })
  if (!dead) return Response.json({ outcome: 'retry' }, { status: 500 })
  return Response.json({ outcome: 'dead' }, { status: 489, headers: { 'Upstash-NonRetryable-Error': 'true' } })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
