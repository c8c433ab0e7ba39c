import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FacadeSystem } from '../support/facade/facade-system.ts'
import { missingNginx, Nginx } from '../support/facade/nginx.ts'
import { TestUpstream } from '../support/facade/upstream.ts'

if (missingNginx === undefined) facadeOverNginx()
else test.skip(missingNginx, () => {})

function facadeOverNginx(): void {
  let system: FacadeSystem
  let legacy: Nginx
  let next: TestUpstream
  const pathOf = (route: string) => `/facade/acme/${route}`

  beforeAll(async () => {
    legacy = await Nginx.start()
    next = await TestUpstream.start('new')
    system = await FacadeSystem.start({
      FACADE_PRIVATE_HOSTS: `acme=127.0.0.1:${legacy.port},acme=127.0.0.1:${next.port}`,
    })
  })
  afterAll(async () => {
    await system.stop()
    await Promise.all([legacy.stop(), next.stop()])
  })

  const put = async (route: string, given: object) => {
    const answer = await system.api(`PUT /v1/facade-routes/${route}`, {
      legacy: { url: legacy.url, timeoutMs: 2000 },
      new: { url: next.url, timeoutMs: 2000 },
      key: { from: 'header', name: 'x-user' },
      ...given,
    })
    expect(answer).toMatchObject({ status: 200 })
  }

  test('an answer of nginx passes as it is: compressed, in part, not modified, with its cookies and redirects', async () => {
    const path = pathOf('site')
    await put('site', { percent: 0 })
    const whole = await system.raw(`${path}/page.json`, { 'accept-encoding': 'gzip', host: 'parley.test' })
    expect([whole.headers['content-encoding'], whole.headers['set-cookie']]).toEqual([
      'gzip',
      [`a=1; Path=${path}/`, `b=2; Path=${path}/cart`],
    ])
    expect(JSON.parse(gunzipSync(whole.body).toString()).page).toHaveLength(5000)
    const plain = await system.raw(`${path}/page.json`)
    const etag = String(plain.headers['etag'])
    expect((await system.raw(`${path}/page.json`, { 'if-none-match': etag })).status).toBe(304)
    const part = await system.raw(`${path}/page.json`, { range: 'bytes=2-5' })
    expect([part.status, part.headers['content-range'], part.body.toString()]).toEqual([206, 'bytes 2-5/5011', 'page'])
    const old = await system.raw(`${path}/old`, { host: 'parley.test' })
    expect([old.status, old.headers['location']]).toEqual([301, `http://parley.test${path}/page.json`])
    const head = await system.raw(`${path}/page.json`, {}, 'HEAD')
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '5011', 0])
  })

  test('no request is lost that nginx or the new side would have answered, while each fails, is killed and starts again', async () => {
    const path = pathOf('shop')
    await put('shop', { percent: 50, fallback: { both: true }, rollback: null })
    const faults = ['', '500', '503', 'reset'] as const
    const lost: string[] = []
    let phase = ''
    const sides = new Set<string>()
    const ask = async (user: string, headers: Readonly<Record<string, string>>) => {
      const response = await fetch(`${system.url}${path}/page.json`, { headers: { 'x-user': user, ...headers } })
      await response.arrayBuffer()
      sides.add(response.headers.get('x-side') ?? '')
      if (response.status !== 200) lost.push(`${phase}: ${user} ${JSON.stringify(headers)}: ${response.status}`)
    }
    const round = async (now: string, headersOf: (n: number) => Readonly<Record<string, string>>) => {
      phase = now
      for (let n = 0; n < 60; n += 10)
        await Promise.all(Array.from({ length: 10 }, (_, m) => ask(`user-${n + m}`, headersOf(n + m))))
    }
    const fault = (n: number) => faults[n % faults.length] ?? ''
    await round('legacy fails', (n) => (fault(n) === '' ? {} : { 'x-legacy': fault(n) }))
    await round('new fails', (n) => (fault(n) === '' ? {} : { 'x-new': fault(n) }))
    await legacy.kill()
    await round('nginx is killed', () => ({}))
    await legacy.startAgain()
    next.fault = 'reset'
    await round('the new side breaks connections', () => ({}))
    next.fault = undefined
    await round('both answer', () => ({}))
    expect([lost, sides]).toEqual([[], new Set(['legacy', 'new'])])
  })
}
