import { z } from 'zod'
import type { Env } from '../../../env.ts'
import { badRule } from '../../../jobs/schedules/cron.ts'
import type { Recurrence, Schedule, ScheduleSpec } from '../../../jobs/schedules/schedule.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { jobQuery } from '../../../protocol/jobs-api.ts'
import {
  newSchedule,
  schedule as scheduleView,
  scheduleName,
  schedulePage,
  schedulesQuery,
  type ScheduleInput,
} from '../../../protocol/schedules-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { toWork } from './enqueue-job.ts'
import { callExisting, callNew, hasQueue } from './existing-queue.ts'

const tag = 'Schedules'
const access = 'server'
const path = '/v1/schedules/{name}'
const params = z.object({ name: scheduleName })
const exampleSchedule = {
  name: 'nightly-report',
  cron: '0 3 * * *',
  timeZone: 'Europe/Berlin',
  gap: 'shift',
  overlap: 'first',
  catchUp: 'last',
  paused: false,
  type: 'http',
  nextAt: 1_790_000_000_000,
  lastAt: null,
  note: '',
} as const

const listSchedules = operation(
  defineOperation({
    id: 'listSchedules',
    method: 'get',
    path: '/v1/schedules',
    tag,
    summary: 'List the schedules of a queue by name, a page at a time',
    access,
    query: schedulesQuery,
    responses: { 200: schedulePage },
    example: { response: { schedules: [exampleSchedule], next: null } },
  }),
  async ({ c, caller, query: { queue, cursor = '', limit } }) => {
    const found = (await hasQueue(c.env, caller.tenant, queue))
      ? await callExisting(c.env, caller.tenant, queue, (own) => own.schedules(cursor, limit + 1))
      : []
    const page = found.slice(0, limit)
    const next = found.length > limit ? (page.at(-1)?.name ?? null) : null
    return { status: 200, body: { schedules: page.map(view), next } }
  },
)

const putSchedule = operation(
  defineOperation({
    id: 'putSchedule',
    method: 'put',
    path,
    tag,
    summary: 'Create or change a recurring job',
    access,
    params,
    body: newSchedule,
    responses: { 200: scheduleView },
    errors: ['conflict'],
    example: {
      body: {
        cron: '0 3 * * *',
        timeZone: 'Europe/Berlin',
        job: { url: 'https://example.com/jobs/report', payload: { kind: 'daily' } },
      },
      response: exampleSchedule,
    },
  }),
  async ({ c, caller, params: { name }, body }) => {
    const wanted = toSchedule(c.env, name, body, systemClock.now())
    const { schedule } = accepted(
      await callNew(c.env, caller.tenant, body.queue, (queue) => queue.putSchedule(wanted, c.env.request)),
    )
    return { status: 200, body: view(schedule) }
  },
)

const readSchedule = operation(
  defineOperation({
    id: 'readSchedule',
    method: 'get',
    path,
    tag,
    summary: 'Read a schedule',
    access,
    params,
    query: jobQuery,
    responses: { 200: scheduleView },
    example: { response: exampleSchedule },
  }),
  async ({ c, caller, params: { name }, query: { queue = 'default' } }) => {
    if (!(await hasQueue(c.env, caller.tenant, queue))) return missing(name)
    const schedule = await callExisting(c.env, caller.tenant, queue, (own) => own.schedule(name))
    return schedule === undefined ? missing(name) : { status: 200, body: view(schedule) }
  },
)

const deleteSchedule = operation(
  defineOperation({
    id: 'deleteSchedule',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a schedule',
    access,
    params,
    query: jobQuery,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { name }, query: { queue = 'default' } }) => {
    if (!(await hasQueue(c.env, caller.tenant, queue))) return missing(name)
    const removed = await callExisting(c.env, caller.tenant, queue, (own) => own.removeSchedule(name, c.env.request))
    return removed ? { status: 204 } : missing(name)
  },
)

/** Recurring jobs of the tenant. A schedule lives in the queue its jobs go to. */
export const schedules = [listSchedules, putSchedule, readSchedule, deleteSchedule]

const missing = (name: string) => fail('not-found', `name: there is no schedule ${name}`)

/** Times in milliseconds since the epoch; `note` says why the last run could not be enqueued, if so. */
const view = ({ name, when, catchUp, paused, job, nextAt, lastAt, note }: Schedule) => ({
  name,
  ...(when.kind === 'cron'
    ? { cron: when.cron, timeZone: when.timeZone, gap: when.gap, overlap: when.overlap }
    : { everySeconds: when.seconds }),
  catchUp,
  paused,
  type: job.type,
  nextAt,
  lastAt,
  note,
})

/** A schedule as the API is given it, in the terms of the queue; one whose time never comes is refused. */
function toSchedule(env: Env, name: string, input: ScheduleInput, now: number): ScheduleSpec {
  const { catchUp, paused, job } = input
  return { name, when: toWhen(input, now), catchUp, paused, job: toWork(env, job, 'job.') }
}

function toWhen(
  { cron, timeZone = 'UTC', gap = 'shift', overlap = 'first', everySeconds }: ScheduleInput,
  now: number,
): Recurrence {
  if (cron === undefined) return { kind: 'every', seconds: everySeconds ?? 60, from: now }
  const rule = { cron, timeZone, gap, overlap }
  const bad = badRule(rule, now)
  return bad === undefined ? { kind: 'cron', ...rule } : fail('invalid-request', bad)
}
