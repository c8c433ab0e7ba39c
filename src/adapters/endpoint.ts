import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { badEndpoint } from '../kernel/outside-url.ts'
import { callDependency, type CallTimes } from './dependency.ts'
import { endpointOf } from './dependencies.ts'

/** A call to a host that a tenant named. */
export interface EndpointCall extends CallTimes {
  readonly tenant: string
  readonly url: string
}

/** An address that is not called. The message begins with `url:`. */
export class BadEndpoint extends Error {}

/**
 * The only way to fetch from a host that a tenant named: an https address of a public name, through the network that reaches
 * public addresses only, whatever the name resolves to, without following redirects. `read` reads what it needs of the
 * response, or cancels its body. Throws BadEndpoint, CallRefused, or the runtime's error when the host does not answer.
 */
export async function fetchEndpoint<T>(
  env: Env,
  { tenant, url, ...times }: EndpointCall,
  request: {
    readonly method?: string
    readonly body?: string | Uint8Array<ArrayBuffer>
    readonly headers: Readonly<Record<string, string>>
  },
  read: (response: Response) => Promise<T>,
): Promise<T> {
  check(env, url)
  return await callDependency(endpointOf(tenant, new URL(url).host), times, async (signal) => {
    const response = await networkOf(env).fetch(url, { ...request, redirect: 'manual', signal })
    return { value: await read(response), isFailure: isInTrouble(response) }
  })
}

/** Nothing behind it answers; an error of the endpoint's own says nothing about its host. */
export const isInTrouble = ({ status, headers }: Response): boolean =>
  status === 502 || status === 504 || (status === 503 && !headers.has('retry-after'))

function check(env: Env, url: string): void {
  const bad = badEndpoint(url, loadConfig(env).endpoints)
  if (bad !== undefined) throw new BadEndpoint(bad)
}

/** Why a tenant may not name this host, beginning with `host:`: the rules of `badEndpoint` for what is to be nothing but a host. */
export function badEndpointHost(env: Env, hostname: string): string | undefined {
  const url = `https://${hostname}/`
  if (!URL.canParse(url) || new URL(url).hostname !== hostname.toLowerCase()) return 'host: not the name of a host'
  return badEndpoint(url, loadConfig(env).endpoints)?.replace(/^url:/, 'host:')
}

/** On Cloudflare the platform's own egress, which reaches public addresses only. */
export const networkOf = ({ ENDPOINTS }: Env): Pick<Fetcher, 'fetch'> => ENDPOINTS ?? globalThis
