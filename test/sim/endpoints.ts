import { z } from 'zod'
import { lives, platform } from './lives.ts'
import { stub } from './namespace.ts'
import type { ActorClass } from './worker-code.ts'

/** How endpoints of tenants misbehave. Probabilities per call. */
export interface EndpointWeather {
  /** It answers 429 with `Retry-After`, and does nothing. */
  readonly busy: number
  /** It answers 500, before its effect or after it. */
  readonly breaks: number
  /** It does not answer, before its effect or after it. */
  readonly hangs: number
}

export const goodEndpoints: EndpointWeather = { busy: 0, breaks: 0, hangs: 0 }

/** A post to an endpoint, as it leaves and as it arrives. */
export interface EndpointCall {
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface EndpointAnswer {
  readonly status: number
  readonly body: unknown
  readonly retryAfter?: string
}

const answerShape = z.object({ status: z.number(), body: z.unknown(), retryAfter: z.string().optional() })

/** What an endpoint does with a call that it takes. */
type Take = (call: EndpointCall) => EndpointAnswer

/** The servers of the tenant, each an actor by the name of its host; what they remember outlasts them. */
export function endpointServers(weather: () => EndpointWeather, take: Take): ActorClass {
  const never = new Promise<never>(() => undefined)
  const act = async (call: EndpointCall): Promise<EndpointAnswer> => {
    const { busy, breaks, hangs } = weather()
    const { chance } = platform()
    if (chance.happens(busy)) return { status: 429, body: null, retryAfter: '1' }
    if (chance.happens(hangs / 2)) return await never
    if (chance.happens(breaks / 2)) return { status: 500, body: 'before its effect' }
    const answer = take(call)
    if (chance.happens(hangs / 2)) return await never
    return chance.happens(breaks / 2) ? { status: 500, body: 'after its effect' } : answer
  }
  return class {
    answer = (call: EndpointCall) => act(call)
  }
}

interface FetchInit {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal: AbortSignal
}

/** The network that the Worker reaches endpoints by; `sent` is told of each call that leaves. */
export const endpointNetwork = (sent: (call: EndpointCall) => void) => ({
  fetch: async (url: string, { headers, body, signal }: FetchInit) => {
    const { host, pathname: path } = new URL(url)
    const call = { host, path, headers, body }
    // As all that leaves an actor, it waits for what the actor has written.
    const caller = lives.getStore()
    if (caller === undefined) sent(call)
    else caller.host.output(() => sent(call))
    const late = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => late.reject(new Error('no answer in time')))
    const answered = await Promise.race([stub(platform(), 'Endpoint', host)['answer']?.(call), late.promise])
    return responseOf(answerShape.parse(answered))
  },
})

/** An answer as the Worker reads it. Its text is there at once: reading a stream would end when Node likes. */
function responseOf({ status, body, retryAfter }: z.output<typeof answerShape>) {
  const text = JSON.stringify(body ?? null)
  const headers = new Headers({ 'content-type': 'application/json', 'content-length': String(text.length) })
  if (retryAfter !== undefined) headers.set('retry-after', retryAfter)
  return { status, headers, body: null, text: async () => text }
}
