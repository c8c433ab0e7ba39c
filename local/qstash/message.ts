import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { type HeaderLists, firstValue, forwarded } from './header.ts'
import { BadRequest } from './http.ts'
import { compileRetryDelay, parseDuration } from './retry.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The fields of a message that do not change. Stored as JSON; files of earlier versions hold more fields. */
export const messageDetails = z.object({
  method: z.enum(methods),
  /** The headers that the destination receives: `Content-Type` and the forwarded ones. */
  header: z.record(z.string(), z.array(z.string())),
  maxRetries: z.number(),
  /** An expression over `retried`, in milliseconds. */
  retryDelay: z.string().optional(),
  /** The URL that is called after the last failed attempt. Earlier versions stored an object. */
  failureCallback: z.union([z.string(), z.object({ url: z.string() }).transform(({ url }) => url)]).optional(),
  labels: z.array(z.string()),
  /** Unix milliseconds. */
  notBefore: z.number(),
  createdAt: z.number(),
  callerIp: z.string(),
})

/** A message that is not yet delivered, failed or cancelled. */
export interface Message {
  readonly id: string
  /** The destination exactly as published: the signature covers it. */
  readonly url: string
  /** The number of retries so far. */
  readonly retried: number
  /** Unix milliseconds before which no attempt is made. */
  readonly dueAt: number
  readonly details: z.infer<typeof messageDetails>
  readonly body: Uint8Array
}

/** A publication: one request, or one item of a batch. */
export interface Publication {
  readonly destination: string
  readonly header: HeaderLists
  readonly body: Uint8Array
  readonly callerIp: string
}

/** The options a publication may have. Any other `Upstash-*` header is refused, since it would be ignored. */
const known =
  /^Upstash-(?:Method|Delay|Not-Before|Deduplication-Id|Retries|Retry-Delay|Failure-Callback|Label|(?:Forward|Telemetry)-.+)$/

/** The message of a publication. Throws a BadRequest that names the header at fault. */
export function readMessage({ destination, header, body, callerIp }: Publication, clock: Clock): Message {
  const unknown = Object.keys(header).find((name) => name.startsWith('Upstash-') && !known.test(name))
  if (unknown !== undefined) throw new BadRequest(`${unknown}: not supported by the local stand-in for QStash`)
  const contentType = firstValue(header, 'Content-Type')
  const createdAt = clock.now()
  const notBeforeSeconds = readCount(header, 'Upstash-Not-Before')
  const notBefore = notBeforeSeconds === undefined ? createdAt + readDelay(header) : notBeforeSeconds * 1000
  return newMessage(destination, body, clock, {
    method: readMethod(header),
    header: {
      ...(contentType === undefined ? {} : { 'Content-Type': [contentType] }),
      ...forwarded(header, 'Upstash-Forward-'),
    },
    maxRetries: readCount(header, 'Upstash-Retries') ?? 3,
    retryDelay: readRetryDelay(header),
    failureCallback: firstValue(header, 'Upstash-Failure-Callback'),
    labels: (firstValue(header, 'Upstash-Label') ?? '').split(',').flatMap((label) => label.trim() || []),
    notBefore,
    createdAt,
    callerIp,
  })
}

export function newMessage(url: string, body: Uint8Array, clock: Clock, details: Message['details']): Message {
  const id = `msg_${randomBytes(18).toString('base64url')}`
  return { id, url, body, retried: 0, dueAt: clock.after(details.notBefore - details.createdAt), details }
}

function readMethod(header: HeaderLists) {
  const given = firstValue(header, 'Upstash-Method')?.toUpperCase() ?? 'POST'
  const method = methods.find((method) => method === given)
  if (method === undefined) throw new BadRequest(`Upstash-Method: must be one of ${methods.join(', ')}, got ${given}`)
  return method
}

function readCount(header: HeaderLists, name: string): number | undefined {
  const text = firstValue(header, name)
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw new BadRequest(`${name}: must be a whole number, got ${text}`)
  return Number(text)
}

function readDelay(header: HeaderLists): number {
  const text = firstValue(header, 'Upstash-Delay') ?? '0s'
  const delay = parseDuration(text)
  if (delay === undefined)
    throw new BadRequest(`Upstash-Delay: must be a duration such as 10s or 1d10h30m, got ${text}`)
  return delay
}

function readRetryDelay(header: HeaderLists): string | undefined {
  const expression = firstValue(header, 'Upstash-Retry-Delay')
  try {
    if (expression !== undefined) compileRetryDelay(expression)
    return expression
  } catch (error) {
    throw new BadRequest(`Upstash-Retry-Delay: ${error instanceof Error ? error.message : String(error)}`)
  }
}
