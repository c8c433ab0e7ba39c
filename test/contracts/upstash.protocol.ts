import { Redis } from '@upstash/redis'
import { describe, expect, test } from 'vitest'
import type { Here } from './upstash.contract.ts'
import { eventually, isAlmost } from './upstash.eventually.ts'

/** Subscriptions, paths, refusals and tokens: what goes over HTTP. */
export function protocolContract(here: Here): void {
  describe('subscriptions', () => {
    test('a subscriber hears what is published to its channel, in order, and nothing after leaving', async () => {
      const subscription = here.redis.subscribe<{ n: number }>(['chat', 'news'])
      const heard: unknown[] = []
      const subscribed = new Promise((resolve) => subscription.on('subscribe', resolve))
      subscription.on('message', ({ channel, message }) => heard.push([channel, message]))
      await subscribed

      await here.redis.publish('chat', { n: 1, text: 'é,😀' })
      await here.redis.publish('other', { n: 0 })
      await here.redis.publish('news', { n: 2 })
      await eventually(async () =>
        expect(heard).toEqual([
          ['chat', { n: 1, text: 'é,😀' }],
          ['news', { n: 2 }],
        ]),
      )

      await subscription.unsubscribe()
      await eventually(async () => expect(await here.redis.publish('chat', 'anyone?')).toBe(0))
    })

    test('a pattern hears every channel it matches', async () => {
      const controller = new AbortController()
      const response = await fetch(`${here.world.url}/psubscribe/user:*`, {
        headers: { authorization: `Bearer ${here.world.token}`, accept: 'text/event-stream' },
        signal: controller.signal,
      })
      expect(response.headers.get('content-type')).toBe('text/event-stream')
      await here.redis.publish('user:7', 'hello')
      expect(await readEvents(response, 2)).toEqual(['psubscribe,user:*,1', 'pmessage,user:*,user:7,hello'])
      controller.abort()
    })
  })

  describe('the protocol itself', () => {
    test('a wrong or missing token opens nothing', async () => {
      const stranger = new Redis({ url: here.world.url, token: 'wrong', retry: false })
      await expect(stranger.set('k', 1)).rejects.toThrow('WRONGPASS invalid or missing auth token')
      for (const path of ['/', '/pipeline', '/multi-exec', '/subscribe/x', '/get/k', '/get/k?_token=wrong']) {
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

    test('errors say what Redis says, with status 400', async () => {
      await here.redis.lpush('list', 1)
      const cases: [unknown, string][] = [
        [['GET', 'list'], 'WRONGTYPE Operation against a key holding the wrong kind of value'],
        [['GET'], "ERR wrong number of arguments for 'get' command"],
        [['NONSENSE', 'x'], "ERR unknown command 'NONSENSE', with args beginning with: 'x' "],
      ]
      for (const [command, error] of cases) {
        const response = await here.post('/', command)
        expect(response.status).toBe(400)
        expect(await response.json()).toEqual({ error })
      }
    })

    test('what is not a command is refused without harm', async () => {
      for (const body of ['', 'not json', '{}', '[]', '[null]', '[["GET","k"]]', '[{"a":1}]'])
        expect((await here.post('/', body)).status).toBe(400)
      await expect(here.redis.zadd('z', { score: Infinity, member: 'x' })).rejects.toThrow(
        'ERR null args are not supported',
      )
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

    test('each answer carries a token for reading one’s own writes', async () => {
      const first = (await here.post('/', ['PING'])).headers.get('upstash-sync-token')
      const second = (await here.post('/', ['PING'], { 'upstash-sync-token': first ?? '' })).headers.get(
        'upstash-sync-token',
      )
      expect(first).toBeTruthy()
      expect(second).not.toBe(first)
    })
  })
}

/** Reads the first `count` server-sent events of a response. */
async function readEvents(response: Response, count: number): Promise<string[]> {
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk)
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => data)
    if (events.length >= count) return events
  }
  throw new Error(`the stream ended after: ${text}`)
}
