import { afterEach, expect, test, vi } from 'vitest'
import { publish } from '../../src/adapters/qstash/client.ts'
import { loadConfig } from '../../src/config.ts'

const config = loadConfig({
  ENVIRONMENT: 'local',
  QSTASH_URL: 'http://qstash.test',
  QSTASH_TOKEN: 't',
  QSTASH_CURRENT_SIGNING_KEY: 'a',
  QSTASH_NEXT_SIGNING_KEY: 'b',
})

afterEach(() => vi.unstubAllGlobals())

test('a message to QStash brings the trace of the request that made the run necessary, where there is one', async () => {
  const bodies: string[] = []
  vi.stubGlobal('fetch', async (_: string, { body }: { body: string }) => {
    bodies.push(body)
    return Response.json([{ messageId: '1' }, { messageId: '2' }])
  })
  const run = { tenant: 't', queue: 'q', at: 0 }
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  await publish(config, [
    { ...run, run: 'one', traceparent },
    { ...run, run: 'two' },
  ])
  const [first, second] = JSON.parse(bodies[0] ?? '[]').map(({ headers }: { headers: Record<string, string> }) =>
    Object.entries(headers).filter(([name]) => /traceparent/i.test(name)),
  )
  expect(first).toEqual([[expect.stringMatching(/^upstash-forward-traceparent$/i), traceparent]])
  expect(second).toEqual([])
})
