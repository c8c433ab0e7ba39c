import { createMiddleware } from 'hono/factory'
import { systemClock } from '../../kernel/clock.ts'
import { classOf } from '../../limits/request-classes.ts'
import { admit, LoadGauge, type Load, type Priority } from '../../limits/shedding.ts'
import type { App, AppContext } from '../http/context.ts'
import { overloaded } from '../http/problem.ts'
import { RequestWork } from '../http/request-work.ts'

/** The requests of this isolate. */
export const requestLoad = new LoadGauge()
/** Requests under way at once, and how long they may take on the average, before the last of them is turned away. */
export const maxRequests: Load = { waiting: 2048, ageMs: 16_000 }

/** Turns requests away while there are too many: documents first, then searches and figures, then reading, writing last. */
export const shedRequests = (most: Load = maxRequests) =>
  createMiddleware<App>(async function shedRequests(c, next) {
    return await whileAdmitted(c, priorityOf(c.req.method, c.req.path), next, most)
  })

/** Counts `work` as load; refuses it when there is too much for its priority. Without a priority it is always admitted. */
export async function whileAdmitted<T>(
  c: AppContext,
  priority: Priority | undefined,
  work: () => Promise<T>,
  max: Load = maxRequests,
): Promise<T> {
  if (priority === undefined) return await work()
  const verdict = admit(priority, requestLoad.load(systemClock.now()), max)
  if (verdict.kind === 'limited') {
    requestLoad.dropped(priority)
    throw overloaded(verdict.retryAfterMs)
  }
  const load = new RequestWork(requestLoad, systemClock)
  c.set('work', load)
  try {
    return await work()
  } finally {
    load.end()
  }
}

/** What is for reading at leisure. */
const documents = /^\/(?:docs(?:\/.*)?|openapi\.json|metrics\/alerts|favicon\.ico)?$/

/** When a request may go; undefined for what must always be answered: whether we live, the operator, and what QStash brings. */
export function priorityOf(method: string, path: string): Priority | undefined {
  if (path === '/healthz' || path === '/readyz' || path === '/metrics' || /^\/(?:jobs|admin)(?:\/|$)/.test(path))
    return undefined
  // What a socket carries is weighed by the gateway, which knows what it is; so is what is posted in place of one.
  if (path.startsWith('/connection/') || path === '/emulation') return undefined
  if (documents.test(path)) return 'typing'
  const is = classOf(path)
  if (is === 'searches') return 'presence'
  if (is === 'notifications' || is === 'uploads') return 'signal'
  return method === 'GET' && is === 'requests' ? 'read' : 'message'
}
