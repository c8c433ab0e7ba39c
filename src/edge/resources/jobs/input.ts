import { endpointRules, loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { badRule } from '../../../jobs/schedules/cron.ts'
import { badEndpoint } from '../../../jobs/webhooks/endpoint.ts'
import type { JobOptions, NewJob } from '../../../jobs/model/job.ts'
import type { Recurrence, ScheduleSpec } from '../../../jobs/schedules/schedule.ts'
import { uuidv7 } from '../../../kernel/id.ts'
import { encodeWith } from '../../../kernel/json.ts'
import type { JobInput, ScheduledJobInput, ScheduleInput } from '../../../protocol/jobs-api.ts'
import { fail } from '../../http/problem.ts'

/**
 * A job as the API is given it, in the ledger's terms. An endpoint that may not be called is refused here; `where` says which
 * of many jobs it belongs to, `jobs.3.`.
 */
export function toNewJob(env: Env, input: JobInput, now: number, where = ''): NewJob {
  const { id, delaySeconds = 0, runAt, after, evenIfFailed } = input
  return {
    ...toWork(env, input, where),
    id: id ?? uuidv7(now),
    runAt: runAt ?? (delaySeconds > 0 ? now + delaySeconds * 1000 : 0),
    ...(after === undefined ? {} : { after }),
    ...(evenIfFailed === undefined ? {} : { evenIfFailed }),
  }
}

/** What a job does and how, without when. */
export function toWork(env: Env, input: ScheduledJobInput, where = ''): Omit<NewJob, 'id' | 'runAt'> {
  const { type, url, payload = 'null' } = input
  if (url !== undefined) {
    const bad = badEndpoint(url, endpointRules(loadConfig(env)))
    if (bad !== undefined) fail('invalid-request', where + bad)
  }
  return { type, payload: type === 'http' ? encodeWith({ url }, { payload }) : '{}', ...toOptions(input) }
}

function toOptions(input: ScheduledJobInput): Partial<JobOptions> {
  const { priority, key, concurrency, rate, attempts, backoff, timeoutSeconds, keepSeconds, unique, watchers } = input
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(key === undefined ? {} : { key }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(backoff === undefined ? {} : { backoff: withoutUndefined(backoff) }),
    ...(timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }),
    ...(keepSeconds === undefined ? {} : { keepMs: keepSeconds * 1000 }),
    ...(unique === undefined ? {} : { unique: withoutSeconds(unique) }),
    ...(watchers === undefined ? {} : { watchers }),
  }
}

const withoutUndefined = ({ perError, ...backoff }: NonNullable<ScheduledJobInput['backoff']>) =>
  perError === undefined ? backoff : { ...backoff, perError }

const withoutSeconds = ({ seconds, ...unique }: NonNullable<ScheduledJobInput['unique']>) =>
  seconds === undefined ? unique : { ...unique, seconds }

/** A schedule as the API is given it, in the ledger's terms; one whose time never comes is refused. */
export function toSchedule(env: Env, name: string, input: ScheduleInput, now: number): ScheduleSpec {
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
