import { Redis } from '@upstash/redis'
import { describe, expect, test } from 'vitest'
import type { Here } from './upstash.world.ts'
import { isAlmost } from './upstash.eventually.ts'

/** Paths, errors and tokens of the REST protocol. */
export function protocolContract(here: Here): void {
  describe('the protocol itself', () => {
    test('a request with a wrong or missing token is refused', async () => {
      const unauthorized = new Redis({ url: here.world.url, token: 'wrong', retry: false })
      await expect(unauthorized.set('k', 1)).rejects.toThrow('WRONGPASS invalid or missing auth token')
      for (const path of ['/', '/pipeline', '/multi-exec', '/get/k', '/get/k?_token=wrong']) {
        const response = await fetch(`${here.world.url}${path}`, { method: 'POST', body: '[["GET","k"]]' })
        expect(response.status).toBe(401)
        expect(await response.json()).toEqual({ error: 'WRONGPASS invalid or missing auth token' })
      }
      expect(await here.redis.exists('k')).toBe(0)
    })

    test('a command may be the path, with the token in the query', async () => {
      const ask = async (path: string, init: RequestInit = {}) =>
        (
          await fetch(`${here.world.url}${path}${path.includes('?') ? '&' : '?'}_token=${here.world.token}`, init)
        ).json()
      expect(await ask('/set/a%2Fb/v%20%C3%A9/EX/100')).toEqual({ result: 'OK' })
      expect(await ask('/get/a%2Fb')).toEqual({ result: 'v é' })
      expect(await ask('/set/body?EX=50', { method: 'POST', body: '{"json": true}' })).toEqual({ result: 'OK' })
      expect(await ask('/get/body')).toEqual({ result: '{"json": true}' })
      expect(await ask('/ttl/body')).toEqual({ result: expect.toSatisfy(isAlmost(50)) })
    })

    test('a command that asks for RESP2 is answered in the bytes of Redis’ own protocol', async () => {
      const ask = async (...command: readonly string[]) => {
        const response = await here.post('/', command, { 'upstash-response-format': 'resp2' })
        expect(response.headers.get('content-type')).toMatch(/^application\/octet-stream/)
        return { status: response.status, text: await response.text() }
      }
      expect(await ask('SET', 'k', 'v é\t"')).toEqual({ status: 200, text: '+OK\r\n' })
      expect(await ask('GET', 'k')).toEqual({ status: 200, text: '$6\r\nv é\t"\r\n' })
      expect(await ask('GET', 'missing')).toEqual({ status: 200, text: '$-1\r\n' })
      expect(await ask('STRLEN', 'k')).toEqual({ status: 200, text: ':6\r\n' })
      expect(await ask('MGET', 'k', 'missing')).toEqual({ status: 200, text: '*2\r\n$6\r\nv é\t"\r\n$-1\r\n' })
      expect((await ask('GET')).text).toBe("-ERR wrong number of arguments for 'get' command\r\n")
    })

    test('an error has the text of Redis and status 400', async () => {
      await here.redis.sadd('set', 1)
      const cases: [unknown, string][] = [
        [['GET', 'set'], 'WRONGTYPE Operation against a key holding the wrong kind of value'],
        [['GET'], "ERR wrong number of arguments for 'get' command"],
        [['NONSENSE', 'x'], "ERR unknown command 'NONSENSE', with args beginning with: 'x' "],
      ]
      for (const [command, error] of cases) {
        const response = await here.post('/', command)
        expect(response.status).toBe(400)
        expect(await response.json()).toEqual({ error })
      }
    })

    test('a body that is not a command is refused', async () => {
      for (const body of ['', 'not json', '{}', '[]', '[null]', '[["GET","k"]]', '[{"a":1}]'])
        expect((await here.post('/', body)).status).toBe(400)
      await expect(here.redis.incrby('n', Infinity)).rejects.toThrow('ERR null args are not supported')
      for (const path of ['/pipeline', '/multi-exec'])
        for (const body of ['', '[]', '["GET","k"]', '[[]]']) expect((await here.post(path, body)).status).toBe(400)
      expect((await fetch(here.world.url, { method: 'DELETE' })).status).toBe(405)
      expect((await here.post('/get/%zz', '')).status).toBe(400)
    })

    test('a request beyond Upstash’s limit is refused, and the next one is served', async () => {
      const response = await here.post('/', ['SET', 'k', 'x'.repeat(10 * 1024 * 1024)])
      expect(response.status).toBe(413)
      expect(await here.redis.set('k', 'x'.repeat(1024 * 1024))).toBe('OK')
      expect(await here.redis.strlen('k')).toBe(1024 * 1024)
    })

    test('each answer carries a new sync token', async () => {
      const first = (await here.post('/', ['PING'])).headers.get('upstash-sync-token')
      const second = (await here.post('/', ['PING'], { 'upstash-sync-token': first ?? '' })).headers.get(
        'upstash-sync-token',
      )
      expect(first).toBeTruthy()
      expect(second).not.toBe(first)
    })
  })
}
