import { z } from 'zod'
import { readJson } from '../json-body.ts'
import type { Parts } from '../parts.ts'
import { checkName, notFound } from '../refusal.ts'
import { answer, type Call, done, type Route } from '../router.ts'
import type { Queue } from '../store/queues.ts'

const upsertBody = z.object({
  queueName: z.string(),
  parallelism: z.number().int().min(1).default(1),
  paused: z.boolean().default(false),
})

/** `/v2/queues`. */
export function queueRoutes(parts: Parts): Route[] {
  return [
    { method: 'POST', path: /^\/v2\/queues\/?$/, answer: (call) => upsert(parts, call) },
    { method: 'GET', path: /^\/v2\/queues\/?$/, answer: () => list(parts) },
    { method: 'GET', path: /^\/v2\/queues\/([^/]+)$/, answer: (_, name) => get(parts, name) },
    { method: 'DELETE', path: /^\/v2\/queues\/([^/]+)$/, answer: (_, name) => remove(parts, name) },
    { method: 'POST', path: /^\/v2\/queues\/([^/]+)\/pause$/, answer: (_, name) => setPaused(parts, name, true) },
    { method: 'POST', path: /^\/v2\/queues\/([^/]+)\/resume$/, answer: (_, name) => setPaused(parts, name, false) },
  ]
}

function upsert({ store, clock, dispatcher }: Parts, call: Call) {
  const { queueName, parallelism, paused } = readJson(upsertBody, call.body)
  store.queues.upsert({ name: checkName('queue name', queueName), parallelism, paused }, clock.now())
  dispatcher.wake()
  return done
}

const list = (parts: Parts) => answer(parts.store.queues.all().map((queue) => view(parts, queue)))

function get(parts: Parts, name: string) {
  const queue = parts.store.queues.get(checkName('queue name', name))
  if (queue === undefined) throw notFound(`queue ${name}`)
  return answer(view(parts, queue))
}

/** Its messages go with it: nothing could deliver them any more. */
function remove({ store }: Parts, name: string) {
  store.atomically(() => {
    store.messages.removeQueue(name)
    store.queues.remove(name)
  })
  return done
}

function setPaused({ store, clock, dispatcher }: Parts, name: string, paused: boolean) {
  store.atomically(() => {
    store.queues.ensure(checkName('queue name', name), clock.now())
    store.queues.setPaused(name, paused, clock.now())
  })
  dispatcher.wake()
  return done
}

const view = ({ store }: Parts, queue: Queue) => ({ ...queue, lag: store.messages.lag(queue.name) })
