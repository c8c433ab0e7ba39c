import { loadConfig, type Config } from '../../config.ts'
import { connectionHeader } from '../../protocol/connection-header.ts'
import type { Vars } from '../../vars.ts'

/** What says where a request comes from: its headers, and `cf`, in which workerd names the peer. */
type Sent = Pick<Request, 'headers'> & { readonly cf?: unknown }

/**
 * The address of the client that sent a request, as limits count it; undefined when it is not known. No header of the
 * client is believed. On Cloudflare the platform sets `CF-Connecting-IP`. On workerd it is the peer of the TCP connection
 * and, when `TRUSTED_PROXY_HEADER` names one and the peer is on this machine or in a private network, the last address in
 * that header: the one the nearest proxy saw.
 */
export function clientAddress(
  { headers, cf }: Sent,
  { directClients, trustedProxyHeader }: Config,
): string | undefined {
  const peer = peerOf(cf)
  if (peer === undefined && !directClients) return headers.get('cf-connecting-ip') ?? undefined
  if (trustedProxyHeader !== undefined && (peer === undefined || isPrivate(peer))) {
    const forwarded = headers.get(trustedProxyHeader)?.split(',').at(-1)?.trim() ?? ''
    const address = hostOf(forwarded)
    if (isAddress(address)) return address
  }
  return peer
}

/**
 * The address that requests and connections are counted under. A development system does not count this machine: tests
 * and benchmarks are thousands of clients behind one address.
 */
export function countedAddress(request: Sent, vars: Vars): string | undefined {
  const config = loadConfig(vars)
  const address = clientAddress(request, config)
  const isOwnMachine = address !== undefined && config.environment === 'local' && isLoopback(address)
  return isOwnMachine ? undefined : address
}

/** `request` as the gateway gets it: the address in `CF-Connecting-IP` is ours, whatever the client sent. */
export function addressedHeaders(request: Sent, vars: Vars): Headers {
  const headers = new Headers(request.headers)
  headers.delete('cf-connecting-ip')
  headers.delete(connectionHeader)
  const address = countedAddress(request, vars)
  if (address !== undefined) headers.set('cf-connecting-ip', address)
  return headers
}

/** What workerd says of the other end of the connection: `203.0.113.7:4711` or `[2001:db8::1]:4711`. */
function peerOf(cf: unknown): string | undefined {
  const peer = typeof cf === 'object' && cf !== null && 'clientIp' in cf ? cf.clientIp : undefined
  return typeof peer === 'string' && peer !== '' ? hostOf(peer) : undefined
}

/** An address without its port. */
function hostOf(text: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? []
  return bracketed ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
}

const isAddress = (text: string): boolean =>
  /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) || (/^[\da-f:.]{2,45}$/i.test(text) && text.includes(':'))

/** An IPv4 address that an IPv6 socket shows as `::ffff:10.0.0.1`. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')

const isLoopback = (address: string): boolean => /^(?:127\.|::1$)/.test(unmapped(address))

const privateNetworks = /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd]|fe[89ab])/i

const isPrivate = (address: string): boolean => privateNetworks.test(unmapped(address))
