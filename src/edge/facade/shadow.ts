import { callUpstream, type Upstream, type UpstreamRequest } from '../../adapters/upstream.ts'
import { Deadline } from '../../adapters/deadline.ts'
import type { Env } from '../../env.ts'
import { compareAnswers, type BodySample, type ComparedAnswer } from '../../facade/diff.ts'
import type { ShadowOutcome } from '../../facade/outcomes.ts'
import type { Side } from '../../facade/route.ts'
import { systemClock } from '../../kernel/clock.ts'
import { facadeFigures, outcomes, reportSoon } from './report.ts'
import type { UsedRoute } from './routes.ts'

/** Shadows under way in this process, and of one route; each until a time, since a cancelled one does not end. */
const maxUnderWay = 64
const maxOfRoute = 16
const underWay = new Map<object, { readonly route: string; readonly until: number }>()

/** Whether another shadow of the route may begin. */
function mayBegin(route: string, now: number): boolean {
  let ofRoute = 0
  for (const [key, each] of underWay) {
    if (each.until <= now) underWay.delete(key)
    else if (each.route === route) ofRoute++
  }
  return underWay.size < maxUnderWay && ofRoute < maxOfRoute
}

/** One shadowed request. */
export interface Shadow {
  /** Sends the copy; the answer is compared with that of the client's once it is there. */
  compareWith(answered: Response, side: Side, body: ReadableStream | null): Promise<void>
  /** The client's answer cannot be compared. */
  skip(): void
}

/** Sends a copy of a request to the other side; undefined when too many are under way. */
export function startShadow(
  { env, executionCtx }: { readonly env: Env; readonly executionCtx: Pick<ExecutionContext, 'waitUntil'> },
  used: UsedRoute,
  upstream: Upstream,
  request: UpstreamRequest,
): Shadow | undefined {
  const { route, counted, rules } = used
  const { timeoutMs, bodyBytes } = route.definition.shadow
  const now = systemClock.now()
  const place = `${counted.tenant}/${counted.route}`
  const note = (outcome: ShadowOutcome, difference?: Parameters<typeof outcomes.noteShadow>[2]) => {
    facadeFigures.shadows[outcome]++
    outcomes.noteShadow(counted, outcome, difference)
    reportSoon(env, executionCtx, counted.tenant)
  }
  if (!mayBegin(place, now)) {
    note('skipped')
    return undefined
  }
  const key = {}
  underWay.set(key, { route: place, until: now + 2 * timeoutMs + 1000 })
  const end = () => void underWay.delete(key)
  const headers = new Headers(request.headers)
  headers.set('parley-shadow', '1')
  const copy = copyOf(env, { ...upstream, timeoutMs }, { ...request, headers }, bodyBytes)
  // It may fail before the client's answer is there.
  copy.catch(() => undefined)
  return {
    skip: () => {
      note('skipped')
      end()
    },
    compareWith: async (answered, side, body) => {
      try {
        const [own, other] = await Promise.all([sampled(answered, body, bodyBytes, timeoutMs), copy])
        const { differences, more, isPartial } =
          side === 'legacy' ? compareAnswers(own, other, rules) : compareAnswers(other, own, rules)
        if (differences.length === 0) return note('same')
        note('different', {
          at: systemClock.now(),
          version: route.version,
          method: request.method,
          path: request.path.slice(0, 500) || '/',
          answered: side,
          partial: isPartial,
          differences: [...differences],
          more,
        })
      } catch {
        note('failed')
      } finally {
        end()
      }
    },
  }
}

async function copyOf(
  env: Env,
  upstream: Upstream,
  request: UpstreamRequest,
  bodyBytes: number,
): Promise<ComparedAnswer> {
  const response = await callUpstream(env, upstream, request)
  return await sampled(response, response.body, bodyBytes, upstream.timeoutMs)
}

async function sampled(
  { status, headers }: Response,
  body: ReadableStream | null,
  bodyBytes: number,
  timeoutMs: number,
): Promise<ComparedAnswer> {
  return { status, headers, body: await beginningOf(body, headers.get('content-encoding'), bodyBytes, timeoutMs) }
}

/** The first bytes of a body, decoded; the rest is not read. Throws when they do not come in time. */
async function beginningOf(
  body: ReadableStream<Uint8Array> | null,
  encoding: string | null,
  maxBytes: number,
  timeoutMs: number,
): Promise<BodySample> {
  const bytes = new Uint8Array(maxBytes)
  let size = 0
  let isWhole = true
  if (body !== null) {
    const isGzip = encoding?.toLowerCase() === 'gzip'
    const reader = (isGzip ? body.pipeThrough(new DecompressionStream('gzip')) : body).getReader()
    const deadline = new Deadline(timeoutMs)
    deadline.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined))
    try {
      for (;;) {
        const { done, value } = await reader.read()
        deadline.signal.throwIfAborted()
        if (done) break
        const free = maxBytes - size
        bytes.set(value.subarray(0, free), size)
        size += Math.min(free, value.byteLength)
        if (value.byteLength <= free) continue
        isWhole = false
        break
      }
    } finally {
      deadline.end()
      if (!isWhole) void reader.cancel().catch(() => undefined)
    }
  }
  const read = bytes.slice(0, size)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', read))
  return { bytes: read, isWhole, hash: digest.join(' ') }
}
