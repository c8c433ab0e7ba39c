import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { addressOf, upstreamUrl, type UpstreamAddress } from '../facade/headers.ts'
import { badEndpoint } from '../kernel/outside-url.ts'
import { isListedPrivate } from '../kernel/private-hosts.ts'
import { upstreamOf } from './dependencies.ts'
import { callDependency, type CallTimes, type Dependency } from './dependency.ts'
import { BadEndpoint, isInTrouble, networkOf } from './endpoint.ts'

/** An upstream of a tenant's facade, checked: requests go below its address only. */
export interface Upstream {
  readonly address: UpstreamAddress
  readonly dependency: Dependency
  /** Listed by the operator: reached through the Worker's own network. */
  readonly isPrivate: boolean
  readonly timeoutMs: number
}

/** Why a tenant may not name this address as an upstream, beginning with `url:`; undefined when it may. */
export function badUpstream(env: Env, tenant: string, url: string): string | undefined {
  const { endpoints, facade } = loadConfig(env)
  if (!URL.canParse(url)) return 'url: not a URL'
  const parsed = new URL(url)
  if (facade.hosts.has(parsed.host)) return `url: ${parsed.host} is a host of a facade`
  if (parsed.username !== '' || parsed.password !== '') return 'url: must not carry a user name or password'
  if (isListedPrivate(facade.privateHosts, tenant, parsed)) return undefined
  const bad = badEndpoint(url, endpoints)
  return bad === undefined
    ? undefined
    : `${bad}; the operator can list a host of a private network in FACADE_PRIVATE_HOSTS`
}

/** The upstream at an address. Throws BadEndpoint when the tenant may not name it. */
export function upstreamAt(
  env: Env,
  tenant: string,
  { url, timeoutMs }: { readonly url: string; readonly timeoutMs: number },
): Upstream {
  const bad = badUpstream(env, tenant, url)
  if (bad !== undefined) throw new BadEndpoint(bad)
  const parsed = new URL(url)
  return {
    address: addressOf(url),
    dependency: upstreamOf(tenant, parsed.host),
    isPrivate: isListedPrivate(loadConfig(env).facade.privateHosts, tenant, parsed),
    timeoutMs,
  }
}

/** A request for an upstream; `path` and `search` are those behind the route. */
export interface UpstreamRequest {
  readonly method: string
  readonly path: string
  readonly search: string
  readonly headers: Headers
  readonly body: ReadableStream | Uint8Array<ArrayBuffer> | null
}

/**
 * Sends a request on, and returns the response with its body unread and as it is encoded. The deadline ends with its headers.
 * Throws CallRefused without a call, or the runtime's error when the host does not answer.
 */
export async function callUpstream(
  env: Env,
  { address, dependency, isPrivate, timeoutMs }: Upstream,
  { method, path, search, headers, body }: UpstreamRequest,
  times: Partial<CallTimes> = {},
): Promise<Response> {
  const network = isPrivate ? globalThis : networkOf(env)
  return await callDependency(dependency, { deadlineMs: timeoutMs, ...times }, async (signal) => {
    const url = upstreamUrl(address, path, search)
    const init = { method, headers, body, redirect: 'manual', encodeResponseBody: 'manual', signal } as const
    const response = await network.fetch(url, init)
    return { value: response, isFailure: isInTrouble(response) }
  })
}
