import { readPrivateHost, type PrivateHost } from './kernel/private-hosts.ts'
import type { Vars } from './vars.ts'

/** Hosts that belong to a tenant's facade; with a route, the whole host is that route. */
type FacadeHosts = ReadonlyMap<string, { readonly tenant: string; readonly route: string | undefined }>

/** Where facades are reached, and what they may reach; read when it is first asked for. A wrong variable is an error that names it. */
export class FacadeConfig {
  readonly #vars: Vars
  readonly #isLocal: boolean
  #hosts: FacadeHosts | undefined
  #privateHosts: readonly PrivateHost[] | undefined

  constructor(vars: Vars, isLocal: boolean) {
    this.#vars = vars
    this.#isLocal = isLocal
  }

  get hosts(): FacadeHosts {
    return (this.#hosts ??= new Map(listOf(this.#vars.FACADE_HOSTS).map(readFacadeHost)))
  }

  /** Whether routes are reached at `/facade/<tenant>/<route>/` of any other host. */
  get paths(): boolean {
    const paths = this.#vars.FACADE_PATHS ?? (this.#isLocal ? 'on' : 'off')
    if (paths !== 'on' && paths !== 'off') throw new Error(`FACADE_PATHS: on or off, got "${paths}"`)
    return paths === 'on'
  }

  /** Upstreams in private networks that a tenant, or each (`*`), may name. */
  get privateHosts(): readonly PrivateHost[] {
    return (this.#privateHosts ??= listOf(this.#vars.FACADE_PRIVATE_HOSTS).map(readPrivate))
  }
}

const listOf = (text = ''): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

function readFacadeHost(
  part: string,
): readonly [string, { readonly tenant: string; readonly route: string | undefined }] {
  const [, host = '', tenant = '', route] =
    /^([a-z0-9.-]+(?::\d+)?)=([a-z0-9][\w.-]*)(?:\/([a-z0-9-]{1,64}))?$/.exec(part) ?? []
  if (host === '') throw new Error(`FACADE_HOSTS: "${part}": write host=tenant, or host=tenant/route, in lower case`)
  return [host, { tenant, route }]
}

function readPrivate(part: string): PrivateHost {
  const read = readPrivateHost(part)
  if (read === undefined)
    throw new Error(`FACADE_PRIVATE_HOSTS: "${part}": write tenant=host or tenant=host:port; * stands for every tenant`)
  return read
}
