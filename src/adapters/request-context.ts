import { AsyncLocalStorage } from 'node:async_hooks'
import { addLogContext } from '../kernel/log.ts'
import { traceIdOf, type RequestContext } from '../kernel/request-context.ts'

const current = new AsyncLocalStorage<RequestContext>()

addLogContext(() => {
  const request = current.getStore()
  if (request === undefined) return undefined
  const { requestId, traceparent } = request
  return { requestId, traceId: traceparent === undefined ? undefined : traceIdOf(traceparent) }
})

/** The request that the running code belongs to; undefined for alarms, cron and the commands of sockets. */
export const currentRequest = (): RequestContext | undefined => current.getStore()

/** Does `work` on behalf of `request`: everything that is logged meanwhile carries its ids. */
export const onBehalfOf = <T>(request: RequestContext | undefined, work: () => T): T =>
  request === undefined ? work() : current.run(request, work)
