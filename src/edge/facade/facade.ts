import { CallRefused } from '../../adapters/dependency.ts'
import { callUpstream, type UpstreamRequest } from '../../adapters/upstream.ts'
import { loadConfig } from '../../config.ts'
import { forRequest, type Env } from '../../env.ts'
import { chooseSide, keyOf } from '../../facade/choose.ts'
import { isLoop, maxHops, requestHeaders, responseHeaders } from '../../facade/headers.ts'
import { canReplay, fallbackOf, mayRepeat, mayShadow, type FallbackReason, type Sendable } from '../../facade/repeat.ts'
import type { Side } from '../../facade/route.ts'
import { systemClock } from '../../kernel/clock.ts'
import { networkOf } from '../../kernel/ip-address.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { requestLevels, type LimitTerms } from '../../limits/built-in-policies.ts'
import { decideAll } from '../../limits/decide.ts'
import { admit } from '../../limits/shedding.ts'
import { maxUnderWay, type Group } from '../../limits/under-way.ts'
import { openConnections } from '../../realtime/open-connections.ts'
import { rawBody } from '../http/capped.ts'
import { fail, overloaded, plainProblem, ProblemError, problemFrom } from '../http/problem.ts'
import { countedAddress } from '../identity/client-address.ts'
import { whileCounted } from '../middleware/limit-requests.ts'
import { maxRequests, requestLoad } from '../middleware/shed-requests.ts'
import { countRequestOf } from '../rate-limits/call-counts.ts'
import { platformLevel, termsOf } from '../rate-limits/platform-limits.ts'
import { decider, rateLimitExceeded, spreadOut } from '../rate-limits/request-limits.ts'
import type { FacadePlace } from './place.ts'
import { facadeFigures, outcomes, reportSoon } from './report.ts'
import { cachedRoutes, routesOf, type FoundTenant, type UsedRoute } from './routes.ts'
import { startShadow, type Shadow } from './shadow.ts'

type Waiting = Pick<ExecutionContext, 'waitUntil'>

/** Sends a request to the side of its route that its key is on, and passes the answer on. Before all middleware: what is passed on is the upstream's own. */
export async function facade(request: Request, env: Env, ctx: Waiting, place: FacadePlace): Promise<Response> {
  const requestId = crypto.randomUUID()
  const bound = forRequest(env, { requestId })
  try {
    return await pass(request, bound, ctx, place)
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return plainProblem(problemFrom(error, bound.request, place.path), requestId)
  }
}

async function pass(request: Request, env: Env, ctx: Waiting, place: FacadePlace): Promise<Response> {
  const load = admit('read', requestLoad.load(systemClock.now()), maxRequests)
  if (load.kind === 'limited') throw overloaded(load.retryAfterMs)
  const address = countedAddress(request, env)
  const { record, routes } = await tenantOf(env, place, address)
  const groups: Group[] = [{ name: `facade ${record.id}`, max: maxUnderWay.facade }]
  if (address !== undefined) groups.push({ name: `address ${networkOf(address)}`, max: maxUnderWay.address })
  return await whileCounted(groups, async () => {
    await take(env, record, address)
    countRequestOf(env, record.id, (report) => ctx.waitUntil(report))
    if (record.state !== 'active') return fail('not-allowed', 'this tenant is suspended')
    const used = routes.get(place.route)
    if (used === undefined) return fail('not-found', `route: ${place.route} is not a route of this facade`)
    return await new Passing(request, env, ctx, place, used).pass()
  })
}

/** The tenant and its routes. An address pays before a tenant is looked up that this process does not know. */
async function tenantOf(env: Env, { tenant }: FacadePlace, address: string | undefined): Promise<FoundTenant> {
  const now = systemClock.now()
  const known = cachedRoutes(tenant, now)
  if (known !== undefined) return known
  if (address !== undefined) {
    const level = platformLevel(env, await termsOf(env), { policy: 'requests-anonymous', key: networkOf(address) })
    const decision = await decideAll(decider, [level])
    if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
  }
  return (await routesOf(env, tenant, now)) ?? fail('not-found', `tenant: there is no tenant ${tenant}`)
}

/** Takes the request from the buckets of its address, the tenant, the plan and the system. */
async function take(env: Env, terms: LimitTerms & { readonly id: string }, address: string | undefined): Promise<void> {
  const { id: tenant } = terms
  const levels = requestLevels(terms).map((policy) =>
    platformLevel(env, terms, { tenant, policy: policy === 'requests-tenant' ? 'facade-tenant' : policy, key: '' }),
  )
  if (address !== undefined)
    levels.unshift(platformLevel(env, terms, { tenant, policy: 'facade-address', key: networkOf(address) }))
  const decision = spreadOut(await decideAll(decider, levels))
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}

/** What became of a call to one side. `reason`: why the other side may be asked. */
type Outcome =
  | { readonly kind: 'answered'; readonly response: Response; readonly reason: '5xx' | undefined }
  | { readonly kind: 'unanswered'; readonly reason: FallbackReason; readonly problem: ProblemError }

/** One request on its way through a route. */
class Passing {
  readonly #request: Request
  readonly #env: Env
  readonly #ctx: Waiting
  readonly #place: FacadePlace
  readonly #used: UsedRoute
  readonly #sendable: Sendable
  /** A body that was read whole, so that it can be sent twice; null until then. */
  #kept: Uint8Array<ArrayBuffer> | null = null
  #isSampled = false

  constructor(request: Request, env: Env, ctx: Waiting, place: FacadePlace, used: UsedRoute) {
    this.#request = request
    this.#env = env
    this.#ctx = ctx
    this.#place = place
    this.#used = used
    const length = request.headers.get('content-length')
    this.#sendable = {
      method: request.method,
      hasBody: request.body !== null,
      bodyBytes: length === null ? undefined : Number(length),
    }
  }

  async pass(): Promise<Response> {
    const { headers, method, body } = this.#request
    if (isLoop(headers.get('via')))
      fail('invalid-request', `Via: passed ${maxHops} facades already; an upstream of this route leads back here`)
    if (method === 'TRACE' || method === 'CONNECT') fail('method-not-allowed', `${method} is not passed on`)
    if (headers.get('upgrade')?.toLowerCase() === 'websocket') this.#requireCapacity()
    const { route, allow } = this.#used
    const { definition } = route
    const key = keyOf(definition.key, { header: (name) => headers.get(name), path: this.#place.path })
    const side = chooseSide(route, allow, { key, method, now: systemClock.now() })
    if (body !== null && canReplay(this.#sendable, definition.fallback.replayBytes))
      this.#kept = await rawBody(this.#request, definition.fallback.replayBytes)
    const shadow = this.#shadow(side)
    const answered = await this.#callWithFallback(side, shadow)
    reportSoon(this.#env, this.#ctx, this.#used.counted.tenant)
    return answered
  }

  /** WebSockets are open connections of this process, whose number is bounded where clients connect to it themselves. */
  #requireCapacity(): void {
    if (openConnections.count >= loadConfig(this.#env).maxConnections)
      fail('unavailable', 'connections: this server has as many as it bears')
  }

  async #callWithFallback(side: Side, shadow: Shadow | undefined): Promise<Response> {
    const { definition } = this.#used.route
    const isRepeatable = mayRepeat(definition, this.#sendable)
    const first = await this.#call(side, fallbackOf(definition, side, 'breaker', isRepeatable) === undefined)
    const other = first.reason === undefined ? undefined : fallbackOf(definition, side, first.reason, isRepeatable)
    if (other === undefined || first.reason === undefined) return this.#answer(first, side, shadow)
    shadow?.skip()
    facadeFigures.fallbacks[first.reason]++
    outcomes.noteFallback(this.#used.counted)
    const second = await this.#call(other, true)
    const isFirstUnsent = first.reason === 'breaker' && typeof this.#used.upstreams[side] !== 'string'
    // The first side was not asked, as its breaker is open; after the second it is the last that may answer.
    if (isFirstUnsent && second.reason !== undefined && (isRepeatable || second.reason === 'breaker'))
      return this.#better([side, await this.#call(side, true)], [other, second])
    return this.#better([other, second], [side, first])
  }

  /** The answer of the later call, unless only the earlier one has any: one that says little is more than none. */
  #better([laterSide, later]: readonly [Side, Outcome], [earlierSide, earlier]: readonly [Side, Outcome]): Response {
    if (later.kind === 'unanswered') return this.#answer(earlier, earlierSide)
    if (earlier.kind === 'answered') this.#ctx.waitUntil(earlier.response.body?.cancel() ?? Promise.resolve())
    return this.#answer(later, laterSide)
  }

  /** Calls one side. `isLast`: no other will be asked. */
  async #call(side: Side, isLast: boolean): Promise<Outcome> {
    const { counted, upstreams } = this.#used
    const upstream = upstreams[side]
    if (typeof upstream === 'string') {
      this.#note(side, true, undefined)
      return unanswered('breaker', 'upstream-failed', `${side}.${upstream}`)
    }
    const begun = systemClock.now()
    const isStreamed = this.#request.body !== null && this.#kept === null
    // A client that breaks off its own body says nothing about the upstream.
    const times = { isLastResort: isLast, isTrouble: () => !isStreamed }
    try {
      const response = await callUpstream(this.#env, upstream, this.#outgoing(), times)
      const isError = response.status >= 500
      this.#note(side, isError, systemClock.now() - begun)
      return { kind: 'answered', response, reason: isError ? '5xx' : undefined }
    } catch (thrown) {
      const waitedMs = systemClock.now() - begun
      if (!(isStreamed && !(thrown instanceof CallRefused)))
        this.#note(side, true, thrown instanceof CallRefused ? undefined : waitedMs)
      if (thrown instanceof CallRefused) return unanswered('breaker', 'upstream-failed', `${side}: ${thrown.message}`)
      const { tenant, route } = counted
      log.warn('facade.no-answer', { ...idsOf(this.#env.request), tenant, route, side, reason: reasonOf(thrown) })
      return waitedMs >= upstream.timeoutMs
        ? unanswered('timeout', 'upstream-timeout', `${side}: no answer within ${upstream.timeoutMs} ms`)
        : unanswered('timeout', 'upstream-failed', `${side}: the connection broke before it answered`)
    }
  }

  #note(side: Side, isError: boolean, ms: number | undefined): void {
    facadeFigures.requests[side]++
    if (isError) facadeFigures.errors[side]++
    outcomes.noteCall(this.#used.counted, side, isError, ms)
  }

  #outgoing(): UpstreamRequest {
    const { headers, method, body } = this.#request
    const { path, search, entrance } = this.#place
    const sent = requestHeaders(headers, entrance)
    if (this.#isSampled) sent.set('accept-encoding', comparableEncoding(headers.get('accept-encoding')))
    return { method, path, search, headers: sent, body: this.#kept ?? body }
  }

  /** Begins a copy of the request to the other side, for the share of requests that are shadowed. */
  #shadow(side: Side): Shadow | undefined {
    const { definition } = this.#used.route
    const { percent } = definition.shadow
    if (percent === 0 || Math.random() * 100 >= percent || !mayShadow(definition, this.#sendable)) return undefined
    if (this.#request.headers.has('upgrade') || this.#used.route.state !== 'active') return undefined
    const upstream = this.#used.upstreams[side === 'legacy' ? 'new' : 'legacy']
    if (typeof upstream === 'string') return undefined
    this.#isSampled = true
    return startShadow({ env: this.#env, executionCtx: this.#ctx }, this.#used, upstream, this.#outgoing())
  }

  #answer(outcome: Outcome, side: Side, shadow?: Shadow): Response {
    if (outcome.kind === 'unanswered') {
      shadow?.skip()
      throw outcome.problem
    }
    const { response } = outcome
    const { status, statusText, webSocket } = response
    const upstream = this.#used.upstreams[side]
    if (typeof upstream === 'string') throw new Error('an upstream that was not called has answered')
    const headers = responseHeaders(response.headers, this.#place.entrance, upstream.address)
    if (webSocket !== null) return new Response(null, { status, headers, webSocket })
    if (shadow === undefined || !isComparable(response))
      return (shadow?.skip(), new Response(response.body, { status, statusText, headers, encodeBody: 'manual' }))
    const [own = null, compared = null] = response.body?.tee() ?? []
    this.#ctx.waitUntil(shadow.compareWith(response, side, compared))
    return new Response(own, { status, statusText, headers, encodeBody: 'manual' })
  }
}

/** What this Worker can decode, of what the client accepts. */
const comparableEncoding = (accepted: string | null): string =>
  accepted !== null && /\bgzip\b/i.test(accepted) ? 'gzip' : 'identity'

/** A stream of events has no end, and other encodings cannot be read here. */
const isComparable = ({ headers }: Response): boolean =>
  !/^text\/event-stream\b/i.test(headers.get('content-type') ?? '') &&
  /^(?:gzip|identity)?$/i.test(headers.get('content-encoding') ?? '')

const unanswered = (reason: FallbackReason, name: 'upstream-failed' | 'upstream-timeout', detail: string): Outcome => ({
  kind: 'unanswered',
  reason,
  problem: new ProblemError({ name, detail: `upstream: ${detail}` }),
})
