import { parseDuration } from './durations.ts'
import { firstValue, type HeaderLists } from './header.ts'
import { compileRetryDelay } from './retry-delay.ts'

const ONE_DAY_MS = 86_400_000

/** The status by which a destination says "never again", together with {@link NON_RETRYABLE_HEADER}. */
const NON_RETRYABLE_STATUS = 489
const NON_RETRYABLE_HEADER = 'Upstash-NonRetryable-Error'

/** Looked at in this order; documented on QStash's page on retries. */
const waitHeaders = ['Retry-After', 'X-RateLimit-Reset', 'X-RateLimit-Reset-Requests', 'X-RateLimit-Reset-Tokens']

/** What came back from one attempt. */
export type Outcome =
  | { kind: 'answered'; status: number; header: HeaderLists; body: Uint8Array }
  | { kind: 'unreachable'; error: string }

/** What an attempt means for its message; `waitMs` is in QStash's time, not yet scaled. */
export type Verdict = { kind: 'delivered' } | { kind: 'retry'; waitMs: number } | { kind: 'failed' }

/** The parts of a message a verdict depends on. */
export interface Tries {
  /** How many retries came before this attempt: 0 for the first one. */
  retried: number
  maxRetries: number
  /** The `Upstash-Retry-Delay` expression, if one was given. */
  retryDelay?: string | undefined
}

/** Decides from one attempt's outcome; any 2xx delivers. */
export function judge(outcome: Outcome, tries: Tries, now: number): Verdict {
  if (outcome.kind === 'answered' && isSuccess(outcome.status)) return { kind: 'delivered' }
  if (outcome.kind === 'answered' && refusesRetries(outcome)) return { kind: 'failed' }
  if (tries.retried >= tries.maxRetries) return { kind: 'failed' }
  return { kind: 'retry', waitMs: retryWait(outcome, tries, now) }
}

const isSuccess = (status: number) => status >= 200 && status < 300

function refusesRetries({ status, header }: { status: number; header: HeaderLists }): boolean {
  return status === NON_RETRYABLE_STATUS && firstValue(header, NON_RETRYABLE_HEADER)?.toLowerCase() === 'true'
}

function retryWait(outcome: Outcome, tries: Tries, now: number): number {
  const asked = outcome.kind === 'answered' ? askedWait(outcome.header, now) : undefined
  return asked ?? ownWait(tries)
}

/** The wait a response asks for; one beyond a day is not honoured, so that the back-off applies. */
function askedWait(header: HeaderLists, now: number): number | undefined {
  const asked = waitHeaders.map((name) => firstValue(header, name)).find((value) => value !== undefined)
  if (asked === undefined) return undefined

  const waitMs = parseWait(asked.trim(), now)
  return waitMs !== undefined && waitMs <= ONE_DAY_MS ? Math.max(0, waitMs) : undefined
}

/** Seconds (`10`), a duration (`6m5s`) or an RFC 1123 date. */
function parseWait(text: string, now: number): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000

  const duration = parseDuration(text)
  if (duration !== undefined) return duration
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : date - now
}

function ownWait({ retried, retryDelay }: Tries): number {
  if (retryDelay === undefined) return backoffMs(retried + 1)
  const waitMs = compileRetryDelay(retryDelay)(retried)
  return Number.isNaN(waitMs) ? backoffMs(retried + 1) : Math.min(ONE_DAY_MS, Math.max(0, waitMs))
}

/** Milliseconds before the n-th retry: `min(86400, e^(2.5 n))` seconds, so 12 s, 2 min 28 s, 30 min 8 s, … */
export function backoffMs(n: number): number {
  return Math.min(ONE_DAY_MS, Math.exp(2.5 * n) * 1000)
}
