import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMiniflare } from '../../local/miniflare.ts'
import { specialPurposeNetworks } from '../../local/special-purpose.ts'
import { startWorkerd, type Running } from '../../local/workerd.ts'
import { freePort } from '../support/e2e/system.ts'

/** Asks for `to` by the way to tenants' endpoints, or by the way to our own services. */
const worker = `export default {
  async fetch(request, env) {
    const asked = new URL(request.url).searchParams
    const way = asked.get('by') === 'endpoints' ? env.ENDPOINTS : globalThis
    try {
      const response = await way.fetch(asked.get('to'), { redirect: 'manual' })
      return new Response('reached: ' + (await response.text()))
    } catch (thrown) {
      return new Response('not reached: ' + thrown.message)
    }
  },
}`

let inside: Server
let insidePort: number

beforeAll(async () => {
  inside = createServer((_, response) => response.end('what only we can reach'))
  await new Promise<void>((resolve) => inside.listen(0, '0.0.0.0', resolve))
  insidePort = portOf(inside.address())
})
afterAll(() => void inside.close())

const portOf = (address: ReturnType<Server['address']>): number =>
  typeof address === 'object' && address !== null ? address.port : 0

/** An address in a network, as a URL has it. */
function hostIn(network: string): string {
  const [first = ''] = network.split('/')
  return first.includes(':')
    ? `[${first.replace(/::$/, '::9')}]`.replace('[::ffff:0:0]', '[::ffff:8.8.8.8]')
    : first.replace(/0$/, '9')
}

const runtimes = { workerd: startWorkerd, Miniflare: startMiniflare }

describe.each(Object.entries(runtimes))('on %s', (_, start) => {
  let dataDir: string
  let running: Running
  let port: number

  const serve = async (vars: Record<string, string>) => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-endpoints-'))
    port = await freePort()
    const file = join(dataDir, 'worker.js')
    await writeFile(file, worker)
    const config = { compatibilityDate: '2026-10-01', compatibilityFlags: [], actors: [], crons: [], vars: {} }
    running = await start({ worker: file, config, vars, dataDir, host: '127.0.0.1', port })
  }
  const ask = async (by: string, host: string): Promise<string> => {
    const to = encodeURIComponent(`http://${host}:${insidePort}/`)
    const deadline = performance.now() + 60_000
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}/?by=${by}&to=${to}`).catch(() => undefined)
      if (answer !== undefined || performance.now() > deadline)
        return (await answer?.text()) ?? 'the worker is not there'
      await new Promise((again) => setTimeout(again, 50))
    }
  }
  const stop = async () => {
    await running.stop()
    await rm(dataDir, { recursive: true, force: true })
  }

  test('a name that resolves to a private address is not reached, though our own services there are', async () => {
    await serve({})
    try {
      expect(await ask('services', 'localhost')).toBe('reached: what only we can reach')
      for (const host of ['localhost', '127.0.0.1', '2130706433', '0x7f.1', '0.0.0.0', '[::1]'])
        expect([host, await ask('endpoints', host)]).toEqual([host, expect.stringMatching(/^not reached/)])
    } finally {
      await stop()
    }
  })

  test('an address of a special-purpose network is not reached, whatever network it is', async () => {
    await serve({})
    try {
      for (const network of specialPurposeNetworks) {
        const host = hostIn(network)
        // The runtime's words for an address that its rules forbid; one that only does not answer is "lost".
        expect([host, await ask('endpoints', host)]).toEqual([
          host,
          expect.stringMatching(/^not reached: internal error/),
        ])
      }
    } finally {
      await stop()
    }
  })

  test('where private endpoints are allowed, loopback is reached', async () => {
    await serve({ ALLOW_PRIVATE_ENDPOINTS: '1' })
    try {
      expect(await ask('endpoints', 'localhost')).toBe('reached: what only we can reach')
    } finally {
      await stop()
    }
  })
})
