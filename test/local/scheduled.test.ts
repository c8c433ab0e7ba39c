import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startMiniflare } from '../../local/miniflare.ts'
import { startWorkerd, type Running } from '../../local/workerd.ts'
import { freePort } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

/** Answers requests with what its scheduled handler was given. */
const worker = `const runs = []
export default {
  async scheduled({ cron, scheduledTime }, { NAME }) {
    if (cron === 'fails') throw new Error('the handler failed')
    runs.push({ cron, scheduledTime, NAME })
  },
  fetch: () => Response.json(runs),
}`

const runtimes = { workerd: startWorkerd, Miniflare: startMiniflare }
const at = new Date(Date.UTC(2026, 0, 1, 0, 5))

/** Starts the worker in a folder of its own for the time of `use`. */
async function withWorker(
  start: (typeof runtimes)[keyof typeof runtimes],
  use: (running: Running, url: string, dataDir: string) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-scheduled-'))
  const port = await freePort()
  const file = join(dataDir, 'worker.js')
  await writeFile(file, worker)
  const config = { compatibilityDate: '2026-10-01', compatibilityFlags: [], actors: [], crons: [], vars: {} }
  const running = await start({ worker: file, config, vars: { NAME: 'parley' }, dataDir, host: '127.0.0.1', port })
  try {
    const url = `http://127.0.0.1:${port}/`
    await until('the worker answers', async () => (await fetch(url)).ok)
    await use(running, url, dataDir)
  } finally {
    await running.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

test.each(Object.entries(runtimes))(
  'on %s, scheduled runs the handler of the Worker itself, and rejects when it fails',
  async (_, start) => {
    await withWorker(start, async ({ scheduled }, url) => {
      await scheduled('*/5 * * * *', at)
      expect(await (await fetch(url)).json()).toEqual([
        { cron: '*/5 * * * *', scheduledTime: at.getTime(), NAME: 'parley' },
      ])
      await expect(scheduled('fails', at)).rejects.toThrow()
    })
  },
)

test('on workerd, the socket that runs scheduled refuses callers without its token', async () => {
  await withWorker(startWorkerd, async (_, url, dataDir) => {
    const config = await readFile(join(dataDir, 'workerd.capnp'), 'utf8')
    const address = /name = "trigger", address = "([^"]+)"/.exec(config)?.[1]
    for (const headers of [{}, { Authorization: 'Bearer wrong' }]) {
      const body = JSON.stringify({ cron: '*/5 * * * *', scheduledTime: 0 })
      expect((await fetch(`http://${address}/`, { method: 'POST', headers, body })).status).toBe(401)
    }
    expect(await (await fetch(url)).json()).toEqual([])
  })
})
