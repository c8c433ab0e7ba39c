import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { clientAddress } from '../../src/edge/identity/client-address.ts'
import type { Vars } from '../../src/vars.ts'

/** A request as the runtime hands it over: `clientIp` is what workerd says of the peer. */
function requestFrom(clientIp: string | undefined, headers: Record<string, string> = {}): Request {
  const request = new Request('http://parley/v1/conversations', { headers })
  return Object.assign(request, { cf: clientIp === undefined ? undefined : { clientIp } })
}

const addressOf = (request: Request, vars: Vars = {}) => clientAddress(request, loadConfig(vars))
const direct = { CLIENTS: 'direct' }
const behindProxy = { ...direct, TRUSTED_PROXY_HEADER: 'X-Forwarded-For' }

describe('the address of a client', () => {
  test.each([
    ['203.0.113.7:4711', '203.0.113.7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['[::ffff:203.0.113.7]:4711', '::ffff:203.0.113.7'],
    ['127.0.0.1:4711', '127.0.0.1'],
  ])('is its peer on workerd: %s', (peer, address) => {
    expect(addressOf(requestFrom(peer), direct)).toBe(address)
  })

  test.each(['CF-Connecting-IP', 'X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'True-Client-IP'])(
    'is never what the client says of itself in %s',
    (name) => {
      const claim = requestFrom('203.0.113.7:4711', { [name]: '198.51.100.1' })
      expect(addressOf(claim, direct)).toBe('203.0.113.7')
      // Without the variable, too, since only workerd itself says who the peer is.
      expect(addressOf(claim)).toBe('203.0.113.7')
      expect(addressOf(requestFrom(undefined, { [name]: '198.51.100.1' }), direct)).toBeUndefined()
    },
  )

  test('is what Cloudflare says where the Worker runs there', () => {
    expect(addressOf(requestFrom(undefined, { 'cf-connecting-ip': '203.0.113.7' }))).toBe('203.0.113.7')
    expect(addressOf(requestFrom(undefined, { 'x-forwarded-for': '203.0.113.7' }))).toBeUndefined()
  })

  test.each([
    ['127.0.0.1:1', '203.0.113.7', '203.0.113.7'],
    ['10.1.2.3:1', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['[fd00::1]:1', '198.51.100.1,203.0.113.7:4711', '203.0.113.7'],
    ['[::ffff:172.18.0.2]:1', '2001:db8::7', '2001:db8::7'],
    ['192.168.0.9:1', '[2001:db8::7]:4711', '2001:db8::7'],
  ])('is the last one in the header of the trusted proxy at %s: %s', (peer, header, address) => {
    expect(addressOf(requestFrom(peer, { 'x-forwarded-for': header }), behindProxy)).toBe(address)
  })

  test.each([
    ['a public peer is no proxy of this machine', '203.0.113.7:1', '198.51.100.1', '203.0.113.7'],
    ['172.32.0.1 is public', '172.32.0.1:1', '198.51.100.1', '172.32.0.1'],
    ['no address in the header', '127.0.0.1:1', 'unknown', '127.0.0.1'],
    ['an empty header', '127.0.0.1:1', '', '127.0.0.1'],
  ])('is the peer when the header cannot be believed: %s', (_, peer, header, address) => {
    expect(addressOf(requestFrom(peer, { 'x-forwarded-for': header }), behindProxy)).toBe(address)
  })

  test('is believed of the one header that is named, and of no other', () => {
    const headers = { 'cf-connecting-ip': '198.51.100.1', 'x-real-ip': '203.0.113.7' }
    const vars = { ...direct, TRUSTED_PROXY_HEADER: 'X-Real-IP' }
    expect(addressOf(requestFrom('127.0.0.1:1', headers), vars)).toBe('203.0.113.7')
  })

  test('a setting that names no header stops the start', () => {
    expect(() => loadConfig({ TRUSTED_PROXY_HEADER: 'X-Forwarded-For, X-Real-IP' })).toThrow(/TRUSTED_PROXY_HEADER/)
  })
})
