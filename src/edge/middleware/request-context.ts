import type { MiddlewareHandler } from 'hono'
import { requestId } from 'hono/request-id'
import { forRequest } from '../../env.ts'
import { readTraceparent } from '../../kernel/request-context.ts'
import type { App } from '../http/context.ts'

/** The header that carries a request's id in both directions. */
export const requestIdHeader = 'x-request-id'

/**
 * Gives a request its id, the caller's if it sent a valid one in `X-Request-Id`, and handles it under that id and the
 * caller's `traceparent`: log lines carry both, and jobs that the request makes carry the trace on.
 */
export function requestContext(): MiddlewareHandler<App> {
  const assign = requestId({ headerName: requestIdHeader })
  return async function requestContext(c, next) {
    const traceparent = readTraceparent(c.req.header('traceparent'))
    await assign(c, () => {
      const request = { requestId: c.get('requestId'), ...(traceparent === undefined ? {} : { traceparent }) }
      c.env = forRequest(c.env, request)
      return next()
    })
  }
}
