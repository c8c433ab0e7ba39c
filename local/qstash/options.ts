import { parseDuration } from './durations.ts'
import { canonicalName, firstValue, forwarded, type HeaderLists } from './header.ts'
import { type CallbackTarget, type DeliveryOptions, type FlowLimits, methods, type PublishOptions } from './model.ts'
import { badRequest } from './refusal.ts'
import { compileRetryDelay } from './retry-delay.ts'

const DEFAULT_RETRIES = 3
const DEFAULT_PERIOD_MS = 1000

/** Judges whether a destination may be called at all; throws a Refusal when not. */
export type CheckUrl = (url: string) => void

/** Reads everything a publisher asks for in `Upstash-*` headers; throws a 400 naming the header at fault. */
export function readPublishOptions(header: HeaderLists, checkUrl: CheckUrl): PublishOptions {
  const own = readDelivery(header, 'Upstash-', { maxRetries: DEFAULT_RETRIES })
  return {
    ...own,
    header: { ...contentType(header), ...own.header },
    notBefore: readNotBefore(header),
    callback: readCallback(header, 'Upstash-Callback', own, checkUrl),
    failureCallback: readCallback(header, 'Upstash-Failure-Callback', own, checkUrl),
    labels: splitList(firstValue(header, 'Upstash-Label') ?? ''),
    flow: readFlow(header),
  }
}

/** Items of a comma-separated list, trimmed, the empty ones left out. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** `prefix` is `Upstash-` or one of the callback prefixes, which know the same options. */
function readDelivery(
  header: HeaderLists,
  prefix: string,
  defaults: { maxRetries: number; retryDelay?: string | undefined },
): DeliveryOptions {
  return {
    method: readMethod(header, `${prefix}Method`),
    header: forwarded(header, `${prefix}Forward-`),
    maxRetries: readCount(header, `${prefix}Retries`) ?? defaults.maxRetries,
    retryDelay: readRetryDelay(header, `${prefix}Retry-Delay`) ?? defaults.retryDelay,
    timeoutMs: readDuration(header, `${prefix}Timeout`),
    delayMs: readDuration(header, `${prefix}Delay`) ?? 0,
  }
}

function contentType(header: HeaderLists): HeaderLists {
  const value = firstValue(header, 'Content-Type')
  return value === undefined ? {} : { 'Content-Type': [value] }
}

function readMethod(header: HeaderLists, name: string): DeliveryOptions['method'] {
  const asked = firstValue(header, name)?.toUpperCase() ?? 'POST'
  const method = methods.find((known) => known === asked)
  if (method === undefined) throw badRequest(`${name} is not one of ${methods.join(', ')}`)
  return method
}

function readCount(header: HeaderLists, name: string): number | undefined {
  const text = firstValue(header, name)
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw badRequest(`${name} is not a whole number: ${text}`)
  return Number(text)
}

function readDuration(header: HeaderLists, name: string): number | undefined {
  const text = firstValue(header, name)
  if (text === undefined) return undefined
  const duration = parseDuration(text)
  if (duration === undefined) throw badRequest(`${name} is not a duration such as 10s or 1d10h30m: ${text}`)
  return duration
}

function readRetryDelay(header: HeaderLists, name: string): string | undefined {
  const expression = firstValue(header, name)
  if (expression === undefined) return undefined
  try {
    compileRetryDelay(expression)
  } catch (error) {
    throw badRequest(`${name} is not an expression: ${String(error)}`)
  }
  return expression
}

/** The header is in seconds; the answer in milliseconds. */
function readNotBefore(header: HeaderLists): number | undefined {
  const seconds = readCount(header, 'Upstash-Not-Before')
  return seconds === undefined ? undefined : seconds * 1000
}

/** A callback retries as its source does, unless told otherwise. */
function readCallback(
  header: HeaderLists,
  name: string,
  source: DeliveryOptions,
  checkUrl: CheckUrl,
): CallbackTarget | undefined {
  const url = firstValue(header, name)
  if (url === undefined) return undefined

  checkUrl(url)
  const options = readDelivery(header, `${name}-`, source)
  return { url, options: { ...options, header: { 'Content-Type': ['application/json'], ...options.header } } }
}

function readFlow(header: HeaderLists): FlowLimits | undefined {
  const key = firstValue(header, 'Upstash-Flow-Control-Key')
  if (key === undefined) return undefined

  const limits = new Map(splitList(firstValue(header, 'Upstash-Flow-Control-Value') ?? '').map(namedLimit))
  const parallelism = readLimit(limits, 'parallelism')
  const rate = readLimit(limits, 'rate')
  if (parallelism === undefined && rate === undefined) {
    throw badRequest('Upstash-Flow-Control-Value gives neither parallelism nor rate')
  }
  return { key, parallelism, rate, periodMs: readPeriod(limits.get('period')) }
}

function namedLimit(item: string): [string, string] {
  const [name = '', value = ''] = item.split('=')
  return [name.trim().toLowerCase(), value.trim()]
}

function readLimit(limits: Map<string, string>, name: string): number | undefined {
  const text = limits.get(name)
  if (text === undefined) return undefined
  if (!/^[1-9]\d*$/.test(text)) throw badRequest(`${canonicalName(name)} of the flow control is not above 0: ${text}`)
  return Number(text)
}

function readPeriod(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PERIOD_MS
  const periodMs = /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text)
  if (periodMs === undefined || periodMs === 0)
    throw badRequest(`Period of the flow control is not a duration: ${text}`)
  return periodMs
}
