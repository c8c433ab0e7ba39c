import { z } from 'zod'
import { systemClock } from '../../../kernel/clock.ts'
import { jobReceipt } from '../../../protocol/job-fields.ts'
import { newJobs } from '../../../protocol/new-job.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { exampleReceipt, toNewJob } from './enqueue-job.ts'
import { callNew } from './existing-queue.ts'

const receipts = z.object({ jobs: z.array(jobReceipt) })

export const enqueueJobs = operation(
  defineOperation({
    id: 'enqueueJobs',
    method: 'post',
    path: '/v1/jobs/batch',
    tag: 'Jobs',
    summary: 'Enqueue many jobs: all of them, or none',
    description: 'Answered with 200 when all of them were there already.',
    access: 'server',
    body: newJobs,
    responses: { 201: receipts, 200: receipts },
    errors: ['conflict'],
    example: {
      body: { jobs: [{ id: 'welcome-alice', url: 'https://example.com/jobs/welcome' }] },
      response: { jobs: [exampleReceipt] },
    },
  }),
  async ({ c, caller, body: { queue, jobs: inputs } }) => {
    await takeItems(c.env, caller, inputs.length)
    const now = systemClock.now()
    const wanted = inputs.map((input, index) => toNewJob(c.env, input, now, `jobs.${index}.`))
    const { receipts: all } = accepted(
      await callNew(c.env, caller.tenant, queue, (own) => own.enqueueAll(wanted, c.env.request)),
    )
    const body = { jobs: all.map(({ id, state, duplicate }) => ({ id, state, duplicate })) }
    return all.every(({ duplicate }) => duplicate) ? { status: 200, body } : { status: 201, body }
  },
)
