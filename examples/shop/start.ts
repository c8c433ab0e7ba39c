import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ParleyServer } from '../../sdk/server.ts'
import { startPage } from './local/page-server.ts'
import { ProviderStandIn } from './local/provider.ts'
import { bundle, partNames, startPart } from './local/worker.ts'
import { setUp } from './shared/set-up.ts'

// `npm run shop`: Parley as `npm start` starts it, the four Workers of the shop, a payment provider and a page.

const root = join(import.meta.dirname, '../..')
const data = join(root, '.shop')
const firstPort = Number(process.env['PORT'] ?? 8787)
/** The API key of the tenant of every development system. */
const apiKey = 'demo-key'
const ports = {
  page: firstPort + 3,
  orders: firstPort + 4,
  stock: firstPort + 5,
  payment: firstPort + 6,
  notification: firstPort + 7,
}
const providerPort = firstPort + 8

const cleanups: (() => Promise<unknown> | void)[] = []
const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
})

let code = 0
try {
  await Promise.race([stopped, start()])
} catch (thrown) {
  console.error(`shop: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  code = 1
}
for (const cleanup of cleanups.toReversed()) await Promise.resolve(cleanup()).catch(console.error)
process.exit(code)

/** Starts everything; rejects when Parley ends by itself. */
async function start(): Promise<never> {
  if (process.argv.includes('--fresh')) rmSync(data, { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  const codes = Promise.all(partNames.map((part) => bundle(part)))
  const ended = startParley()
  const parleyUrl = `http://127.0.0.1:${firstPort}`
  await Promise.race([ready(parleyUrl), ended])

  const parley = new ParleyServer({ url: parleyUrl, apiKey })
  const urlOf = (port: number) => `http://127.0.0.1:${port}`
  const urls = {
    orders: urlOf(ports.orders),
    stock: urlOf(ports.stock),
    payment: urlOf(ports.payment),
    notification: urlOf(ports.notification),
  }
  const secrets = await setUp(parley, urls)
  const provider = await ProviderStandIn.start(providerPort)
  cleanups.push(() => provider.stop())
  const made = await codes
  for (const [index, part] of partNames.entries()) {
    const running = await startPart(part, made[index] ?? '', {
      port: ports[part],
      folder: join(data, 'parts'),
      vars: {
        PARLEY_URL: parleyUrl,
        PARLEY_API_KEY: apiKey,
        WEBHOOK_SECRETS: secrets[part].join(' '),
        PROVIDER_URL: urlOf(providerPort),
        FIRST_STOCK: JSON.stringify({ book: 100, lamp: 10 }),
      },
    })
    cleanups.push(() => running.stop())
  }
  cleanups.push(await startPage({ port: ports.page, parley, parleyUrl, urls, provider }))
  console.log(
    [
      '',
      `  The shop is open at http://localhost:${ports.page}`,
      '',
      '  Or place an order, by a saga or by events, and look what became of it:',
      `    curl -s localhost:${ports.orders}/orders -d '{"id":"o-1","sku":"book","quantity":2,"card":"visa","way":"saga"}'`,
      `    curl -s localhost:${ports.orders}/orders -d '{"id":"o-2","sku":"book","quantity":2,"card":"declined","way":"events"}'`,
      `    curl -s localhost:${ports.orders}/orders`,
      '',
      '  Ctrl-C ends the shop; its data stays in .shop (npm run shop -- --fresh empties it).',
      '',
    ].join('\n'),
  )
  return await ended
}

/** Starts Parley; rejects when it ends. */
function startParley(): Promise<never> {
  const child: ChildProcess = spawn(process.execPath, [join(root, 'local/run.js'), 'local/start.ts'], {
    cwd: root,
    // Ctrl-C reaches this process only, which ends the parts first.
    detached: true,
    stdio: 'inherit',
    env: {
      ...process.env,
      PARLEY_GUIDE: 'off',
      PORT: String(firstPort),
      PARLEY_DATA: join(data, 'parley'),
      // The Workers of the shop are on this machine.
      ALLOW_PRIVATE_ENDPOINTS: '1',
    },
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.once('exit', () => child.kill('SIGTERM'))
  cleanups.push(async () => {
    child.kill('SIGTERM')
    await exited
  })
  return exited.then(() => {
    throw new Error('Parley ended')
  })
}

async function ready(url: string): Promise<void> {
  for (;;) {
    // The tenant is made after the Worker has started.
    const answer = await fetch(`${url}/v1/event-topics`, { headers: { authorization: `Bearer ${apiKey}` } }).catch(
      () => undefined,
    )
    if (answer?.ok === true) return
    await new Promise((again) => setTimeout(again, 200))
  }
}
