import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressOf,
  hopByHop,
  isLoop,
  requestHeaders,
  responseHeaders,
  rewrittenCookie,
  rewrittenLocation,
  upstreamUrl,
  type Entrance,
} from '../../src/facade/headers.ts'

const site: Entrance = { client: '203.0.113.7', host: 'www.acme.com', scheme: 'https', prefix: '', isShared: false }
const shared: Entrance = { ...site, host: 'parley.example', prefix: '/facade/acme/shop', isShared: true }
const upstream = addressOf('https://legacy.acme.com')
const deeper = addressOf('https://legacy.acme.com/app/')

const names = fc.constantFrom('x-one', 'x-two', 'accept', 'cookie', 'te', 'keep-alive', 'upgrade', 'x-forwarded-for')

describe('headers for the upstream', () => {
  test('hold no hop-by-hop header and none that Connection names, whatever the client sends', () => {
    fc.assert(
      fc.property(fc.dictionary(names, fc.constant('v')), fc.array(names), (fields, named) => {
        const sent = requestHeaders(new Headers({ ...fields, connection: named.join(', ') }), site)
        for (const name of hopByHop) expect(sent.has(name)).toBe(false)
        for (const name of named.filter((each) => each !== 'x-forwarded-for')) expect(sent.has(name)).toBe(false)
        expect(sent.get('x-forwarded-for')).toBe('203.0.113.7')
        const kept = Object.keys(fields).filter(
          (name) => !hopByHop.includes(name) && !named.some((one) => one === name) && name !== 'x-forwarded-for',
        )
        for (const name of kept) expect(sent.get(name)).toBe('v')
      }),
    )
  })

  test('say where the request came in, and nothing that the client said about it', () => {
    const given = new Headers({
      host: 'evil.example',
      forwarded: 'for=10.0.0.1',
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-proto': 'gopher',
      'x-real-ip': '10.0.0.1',
      'cf-connecting-ip': '10.0.0.1',
      'parley-shadow': '1',
      authorization: 'Bearer own',
    })
    expect(Object.fromEntries(requestHeaders(given, shared))).toEqual({
      authorization: 'Bearer own',
      forwarded: 'for=203.0.113.7;host="parley.example";proto=https',
      via: '1.1 parley',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'parley.example',
      'x-forwarded-prefix': '/facade/acme/shop',
      'x-forwarded-proto': 'https',
      'x-real-ip': '203.0.113.7',
    })
    const six = requestHeaders(new Headers(), { ...site, client: '2001:db8::1' })
    expect(six.get('forwarded')).toBe('for="[2001:db8::1]";host="www.acme.com";proto=https')
    expect(requestHeaders(new Headers(), { ...site, client: undefined }).get('forwarded')).toMatch(/^for=unknown;/)
  })

  test('ask for a WebSocket again, and for no other protocol', () => {
    const ask = (upgrade: string) =>
      requestHeaders(new Headers({ connection: 'Upgrade', upgrade }), site).get('upgrade')
    expect([ask('WebSocket'), ask('h2c')]).toEqual(['websocket', null])
  })

  test('a request that passes a facade again and again is recognized', () => {
    let headers = new Headers({ via: '1.1 proxy' })
    for (let hop = 0; hop < 5; hop++) {
      expect(isLoop(headers.get('via'))).toBe(false)
      headers = requestHeaders(headers, site)
    }
    expect(isLoop(headers.get('via'))).toBe(true)
  })
})

describe('headers for the client', () => {
  test('hold each cookie by itself, and what is the upstream’s own connection does not pass', () => {
    const given = new Headers({ connection: 'x-hop', 'x-hop': '1', 'alt-svc': 'h3=":443"', 'x-kept': '1', server: 's' })
    given.append('set-cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/')
    given.append('set-cookie', 'b=2; Domain=legacy.acme.com; HttpOnly')
    const sent = responseHeaders(given, shared, upstream)
    expect(sent.getSetCookie()).toEqual([
      'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/facade/acme/shop/',
      'b=2; HttpOnly',
    ])
    sent.delete('set-cookie')
    expect(Object.fromEntries(sent)).toEqual({ server: 's', 'x-kept': '1' })
  })

  test('a field that holds for a whole host passes on a host of the tenant’s own only', () => {
    const given = new Headers({
      'strict-transport-security': 'max-age=1',
      'clear-site-data': '"*"',
      'service-worker-allowed': '/',
    })
    expect([...responseHeaders(given, shared, upstream)]).toEqual([])
    expect([...responseHeaders(given, site, upstream)].length).toBe(3)
  })

  test.each([
    ['sid=1; Domain=.acme.com; Path=/', site, upstream, 'sid=1; Domain=.acme.com; Path=/'],
    ['sid=1; Domain=legacy.acme.com', site, upstream, 'sid=1'],
    ['sid=1; domain=acme.com', shared, upstream, 'sid=1'],
    ['sid=1; Path=/cart', shared, upstream, 'sid=1; Path=/facade/acme/shop/cart'],
    ['sid=1; Path=/app', shared, deeper, 'sid=1; Path=/facade/acme/shop'],
    ['sid=1; Path=/app/cart', site, deeper, 'sid=1; Path=/cart'],
    ['sid=1; Path=/', site, deeper, 'sid=1; Path=/'],
    ['sid=1; Path=/', shared, deeper, 'sid=1; Path=/facade/acme/shop'],
    ['__Host-sid=1; Path=/; Secure', site, upstream, '__Host-sid=1; Path=/; Secure'],
    ['__Host-sid=1; Path=/; Secure', shared, upstream, undefined],
  ])('a cookie %s is set where it belongs', (cookie, entrance, at, expected) => {
    expect(rewrittenCookie(cookie, entrance, at)).toBe(expected)
  })

  test.each([
    ['https://legacy.acme.com/login?next=/a#b', site, upstream, 'https://www.acme.com/login?next=/a#b'],
    ['/login', shared, upstream, '/facade/acme/shop/login'],
    ['//legacy.acme.com/x', shared, upstream, 'https://parley.example/facade/acme/shop/x'],
    ['/app/login', site, deeper, '/login'],
    ['https://legacy.acme.com/app', site, deeper, 'https://www.acme.com/'],
    ['https://legacy.acme.com/other', site, deeper, 'https://legacy.acme.com/other'],
    ['https://elsewhere.example/login', shared, upstream, 'https://elsewhere.example/login'],
    ['http://legacy.acme.com/login', site, upstream, 'http://legacy.acme.com/login'],
    ['../up', shared, upstream, '../up'],
    ['http://[', shared, upstream, 'http://['],
  ])('a redirect to %s leads where the client can go', (location, entrance, at, expected) => {
    expect(rewrittenLocation(location, entrance, at)).toBe(expected)
  })
})

test('no path and no query of a request leads outside of the upstream’s address', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), fc.string(), fc.boolean(), (path, query, isDeep) => {
      const asked = new URL(`https://parley.example/facade/acme/shop/${path}?${query}`)
      const rest = asked.pathname.slice('/facade/acme/shop'.length)
      const at = isDeep ? deeper : upstream
      if (!asked.pathname.startsWith('/facade/acme/shop')) return
      const url = new URL(upstreamUrl(at, rest, asked.search))
      expect(url.origin).toBe(at.origin)
      expect(`${url.pathname}/`.startsWith(`${at.path}/`)).toBe(true)
      expect(url.search).toBe(asked.search)
    }),
  )
})
