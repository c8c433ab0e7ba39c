/** A host in a private network that the operator lets a tenant name. */
export interface PrivateHost {
  /** `*` for every tenant. */
  readonly tenant: string
  readonly hostname: string
  /** Undefined: the port of the scheme. */
  readonly port: number | undefined
}

/** `acme=legacy.internal:8080`, or undefined when it is written otherwise. */
export function readPrivateHost(text: string): PrivateHost | undefined {
  const [, tenant, host, port] = /^(\*|[\w.-]+)=(\[[\da-f:]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(text) ?? []
  if (tenant === undefined || host === undefined || !URL.canParse(`http://${host}/`)) return undefined
  // As the URL parser normalizes it: 127.1 is 127.0.0.1.
  const { hostname } = new URL(`http://${host}/`)
  return { tenant, hostname, port: port === undefined ? undefined : Number(port) }
}

/** Whether the operator lets a tenant name this URL although it may be in a private network: host and port have to be listed. */
export function isListedPrivate(listed: readonly PrivateHost[], tenant: string, url: URL): boolean {
  const usual = url.protocol === 'https:' ? 443 : 80
  const port = url.port === '' ? usual : Number(url.port)
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    listed.some(
      (host) =>
        (host.tenant === '*' || host.tenant === tenant) &&
        host.hostname === url.hostname &&
        (host.port ?? usual) === port,
    )
  )
}
