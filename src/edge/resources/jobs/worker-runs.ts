import { Hono } from 'hono'
import { z } from 'zod'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { failedUrl, isFromQstash, jobsUrl, readRunReference } from '../../../adapters/qstash/client.ts'
import { loadConfig } from '../../../config.ts'
import { drain } from '../../../handlers/drain.ts'
import { startRun } from '../../../handlers/job-worker.ts'
import { parseJson } from '../../../protocol/parse-frame.ts'
import { sizes } from '../../../protocol/limits.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import type { App, AppContext } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'

/** QStash waits this long for an answer at most, and a run ends before. */
export const workerRunDeadlineMs = 900_000

/** What QStash says of a delivery it gave up; `sourceBody` is our own message in base64. */
const failure = z.object({ sourceBody: z.base64() })

/**
 * Where QStash delivers worker runs. A message is only a name: the queue says whether this run is expected, so that
 * a copy of it is refused, and what is to be done.
 */
export const workerRuns = new Hono<App>()
  .post('/', async (c) => {
    const reference = readRunReference(await signedBody(c, jobsUrl(loadConfig(c.env))))
    if (reference === undefined) return fail('invalid-request', 'not a worker run of this system')
    if (drain.isOver) return fail('unavailable', 'ending: deliver it again')
    const given = await startRun(c.env, reference)
    return c.json(given === undefined ? { run: 'not expected' } : { jobs: given })
  })
  .post('/failed', async (c) => {
    const parsed = failure.safeParse(parseJson(await signedBody(c, failedUrl(loadConfig(c.env)))))
    const reference = parsed.success ? readRunReference(fromBase64(parsed.data.sourceBody)) : undefined
    if (reference === undefined) return fail('invalid-request', 'not about a worker run of this system')
    await jobQueueOf(c.env, reference.tenant, reference.queue).runLost(reference.run, c.env.request)
    return c.json({ run: 'lost' })
  })

async function signedBody(c: AppContext, url: string): Promise<string> {
  const signature = c.req.header('upstash-signature')
  if (signature === undefined) return fail('unauthorized', 'Upstash-Signature: missing')
  const raw = textOf(await requestBody(c, sizes.bodyBytes))
  if (await isFromQstash(loadConfig(c.env), url, signature, raw)) return raw
  return fail('unauthorized', 'Upstash-Signature: not QStash')
}

const fromBase64 = (text: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)))
