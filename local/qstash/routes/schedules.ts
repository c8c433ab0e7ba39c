import { checkCron } from '../cron.ts'
import { firstValue } from '../header.ts'
import { readPublishOptions } from '../options.ts'
import type { Parts } from '../parts.ts'
import { newId } from '../post.ts'
import { badRequest, checkName, notFound } from '../refusal.ts'
import { answer, type Answer, type Call, done, type Route } from '../router.ts'
import type { Schedule } from '../store/schedules.ts'
import { bodyView, optionsView } from '../views.ts'

type SettingsKey = 'cron' | 'destination' | 'queue' | 'body' | 'callerIp' | 'options'

const SCHEDULES = '/v2/schedules/'

/** `/v2/schedules`. The SDK pauses and resumes by PATCH, the documentation by POST: both are taken. */
export function scheduleRoutes(parts: Parts): Route[] {
  const pause = /^\/v2\/schedules\/([\w.-]+)\/pause$/
  const resume = /^\/v2\/schedules\/([\w.-]+)\/resume$/
  return [
    { method: 'PATCH', path: pause, answer: (_, id) => setPaused(parts, id, true) },
    { method: 'POST', path: pause, answer: (_, id) => setPaused(parts, id, true) },
    { method: 'PATCH', path: resume, answer: (_, id) => setPaused(parts, id, false) },
    { method: 'POST', path: resume, answer: (_, id) => setPaused(parts, id, false) },
    { method: 'POST', path: /^\/v2\/schedules\/./, answer: (call) => create(parts, call) },
    { method: 'GET', path: /^\/v2\/schedules\/?$/, answer: () => answer(parts.store.schedules.all().map(view)) },
    { method: 'GET', path: /^\/v2\/schedules\/([^/]+)$/, answer: (_, id) => answer(view(one(parts, id))) },
    { method: 'DELETE', path: /^\/v2\/schedules\/([^/]+)$/, answer: (_, id) => remove(parts, id) },
  ]
}

const create = (parts: Parts, call: Call) => createSchedule(parts, call, call.target.slice(SCHEDULES.length))

/** Creates a schedule, or gives the one with the same id new settings. */
export function createSchedule(parts: Parts, call: Call, destination: string): Answer {
  const now = parts.clock.now()
  const cron = firstValue(call.header, 'Upstash-Cron')
  if (cron === undefined) throw badRequest('Upstash-Cron header is missing')
  checkCron(cron, now)
  parts.destinations.resolve(destination)

  const id = checkName('schedule id', firstValue(call.header, 'Upstash-Schedule-Id') ?? newId('scd'))
  const queue = firstValue(call.header, 'Upstash-Queue-Name') ?? null
  if (queue !== null) checkName('queue name', queue)
  const schedule: Schedule = {
    ...(parts.store.schedules.get(id) ?? untouched(id, now)),
    cron,
    destination,
    queue,
    body: call.body,
    callerIp: call.callerIp,
    options: readPublishOptions(call.header, parts.destinations.checkUrl),
  }
  parts.store.schedules.put(parts.scheduler.fromNow(schedule))
  parts.dispatcher.wake()
  return answer({ scheduleId: id })
}

function untouched(id: string, createdAt: number): Omit<Schedule, SettingsKey> {
  return { id, createdAt, paused: false, lastAt: null, lastStates: {}, nextAt: null, dueAt: null }
}

function setPaused(parts: Parts, id: string, paused: boolean) {
  const schedule = one(parts, id)
  if (schedule.paused !== paused) {
    parts.store.schedules.put(parts.scheduler.fromNow({ ...schedule, paused }))
    parts.dispatcher.wake()
  }
  return done
}

function remove({ store }: Parts, id: string) {
  store.schedules.remove(id)
  return done
}

function one({ store }: Parts, id: string): Schedule {
  const schedule = store.schedules.get(id)
  if (schedule === undefined) throw notFound(`schedule ${id}`)
  return schedule
}

function view(schedule: Schedule): object {
  const { id, cron, destination, queue, options, body, callerIp, paused, createdAt } = schedule
  return {
    scheduleId: id,
    cron,
    destination,
    createdAt,
    isPaused: paused,
    callerIp,
    callerIP: callerIp,
    retries: options.maxRetries,
    delay: options.delayMs === 0 ? undefined : options.delayMs / 1000,
    queueName: queue ?? undefined,
    lastScheduleTime: schedule.lastAt ?? undefined,
    nextScheduleTime: schedule.nextAt ?? undefined,
    lastScheduleStates: schedule.lastStates,
    ...optionsView(options),
    ...bodyView(body),
  }
}
