/** The request on whose behalf something is done: its id, and the W3C `traceparent` that came with it. */
export interface RequestContext {
  /** Absent where only the trace is known: in the run of a job. */
  readonly requestId?: string
  readonly traceparent?: string
}

const shape = /^([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/

/**
 * A `traceparent` header (W3C Trace Context, level 1) in the form in which it is passed on; undefined when there is none or
 * it is malformed, which the standard treats as absent. Of a version later than 00 the known fields are kept.
 */
export function readTraceparent(header: string | null | undefined): string | undefined {
  const [, version, trace, parent, flags, more] = shape.exec(header ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return `00-${trace}-${parent}-${flags}`
}

/** The fields of a log line that name the request it belongs to; none for alarms, cron and the commands of sockets. */
export function idsOf(request: RequestContext | undefined): { readonly requestId?: string; readonly traceId?: string } {
  if (request === undefined) return {}
  const { requestId, traceparent } = request
  return {
    ...(requestId === undefined ? {} : { requestId }),
    ...(traceparent === undefined ? {} : { traceId: traceparent.slice(3, 35) }),
  }
}
