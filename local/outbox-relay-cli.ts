import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { endWith, LocalError, oneLine } from './local-error.ts'
import { becomeRelay, cleanUp, lagOf, outboxOf } from './outbox/postgres.ts'
import { publishTo } from './outbox/publish.ts'
import { relayStep } from './outbox/relay.ts'
import { outboxSql } from './outbox/table.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npx parley outbox-relay`, here also `npm run outbox-relay --`: publishes the rows of an outbox in a Postgres as events; see docs/outbox.md.
const usage = `npx parley outbox-relay --database postgres://… --url https://… [--create] [--once] [--keep-seconds 86400]
  PARLEY_API_KEY holds the API key. --create makes the table; --once ends when nothing is left to publish.`

const idleMs = 1000
const reportMs = 10_000
const cleanUpMs = 60_000
const cleanedAtOnce = 5000

interface Options {
  readonly database: string
  readonly url: string
  readonly apiKey: string
  readonly create: boolean
  readonly once: boolean
  readonly keepSeconds: number
}

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const options = readOptions()
  for (;;) {
    try {
      await relay(options)
      break
    } catch (thrown) {
      if (options.once || thrown instanceof LocalError) throw thrown
      console.error(`outbox-relay: ${oneLine(thrown)}; connecting again`)
      await wait(idleMs)
    }
  }
} catch (thrown) {
  endWith(thrown)
}

/** Publishes until the connection ends, or with `once` until nothing is left. */
async function relay(options: Options): Promise<void> {
  const client = new Client({ connectionString: options.database })
  await client.connect()
  try {
    if (options.create) await client.query(outboxSql)
    while (!(await becomeRelay(client))) {
      if (options.once) throw new LocalError('another relay of this database is running')
      await wait(idleMs)
    }
    await client.query('LISTEN parley_outbox')
    await publishAll(client, options)
  } finally {
    await client.end()
  }
}

async function publishAll(client: Client, { url, apiKey, once, keepSeconds }: Options): Promise<void> {
  let wake = () => undefined as void
  client.on('notification', () => wake())
  client.on('error', () => wake())
  const warn = (text: string) => console.error(`outbox-relay: ${text}`)
  const ports = {
    ...outboxOf(client),
    publish: async (topic: string, events: string) => await publishTo({ url, apiKey, warn }, topic, events),
  }
  let [reportAt, cleanUpAt] = [0, 0]
  for (;;) {
    const woken = new Promise<void>((resolve) => (wake = resolve))
    const { published, failed, waitMs } = await relayStep(ports)
    if (Date.now() >= reportAt) {
      const { pending, failed: stuck, oldestMs } = await lagOf(client)
      console.log(`outbox-relay: pending ${pending}, failed ${stuck}, oldest ${oldestMs} ms`)
      reportAt = Date.now() + reportMs
    }
    if (Date.now() >= cleanUpAt) {
      const removed = await cleanUp(client, keepSeconds, cleanedAtOnce)
      cleanUpAt = removed === cleanedAtOnce ? 0 : Date.now() + cleanUpMs
    }
    if (waitMs > 0) await wait(waitMs)
    else if (published + failed === 0 && once) return
    else if (published + failed === 0) await Promise.race([woken, wait(idleMs)])
  }
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        database: { type: 'string' },
        url: { type: 'string' },
        create: { type: 'boolean', default: false },
        once: { type: 'boolean', default: false },
        'keep-seconds': { type: 'string', default: '86400' },
      },
    })
    const { database, url, create, once, 'keep-seconds': keep } = values
    const apiKey = process.env['PARLEY_API_KEY']
    if (database !== undefined && url !== undefined && apiKey !== undefined && /^\d{1,9}$/.test(keep))
      return { database, url, apiKey, create, once, keepSeconds: Number(keep) }
  } catch {
    // Said below.
  }
  throw new LocalError(`give --database, --url and PARLEY_API_KEY:\n${usage}`)
}
