import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alarmsPerSecond, spreadAlarms } from '../../local/spread-alarms.ts'
import { startWorkerd } from '../../local/workerd.ts'
import { budgetOf } from '../../src/limits/open-actors.ts'
import { freePort } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'parley-alarms-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const now = Date.UTC(2026, 10, 30)

/** The file of alarms of a class; `at` in milliseconds since the epoch, by actor. */
async function alarmsOf(className: string, at: Readonly<Record<string, number>>): Promise<string> {
  const file = join(folder, 'actors', `parley-${className}`, 'metadata.sqlite')
  await mkdir(join(file, '..'), { recursive: true })
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT)')
  const insert = database.prepare('INSERT INTO _cf_ALARM VALUES (?, ?, NULL)')
  database.exec('BEGIN')
  for (const [actor, ms] of Object.entries(at)) insert.run(actor, BigInt(ms) * 1_000_000n)
  database.exec('COMMIT')
  database.close()
  return file
}

function readAlarms(file: string): Record<string, number> {
  const database = new DatabaseSync(file, { readOnly: true })
  const read = database.prepare('SELECT actor_id, scheduled_time FROM _cf_ALARM')
  read.setReadBigInts(true)
  const rows = read
    .all()
    .map(({ actor_id: actor, scheduled_time: at }) => [String(actor), Math.round(Number(at) / 1e6) - now])
  database.close()
  return Object.fromEntries(rows)
}

test('overdue alarms of all classes ring one after the other, the oldest first, and those of later keep their time', async () => {
  const conversations = await alarmsOf('Conversation', { old: now - 9000, recent: now - 1000, later: now + 60_000 })
  const topics = await alarmsOf('Topic', { older: now - 10_000, soon: now + 1200 })
  const shards = await alarmsOf('ShardWriter', { overdue: now - 10_000 })
  expect(await spreadAlarms(folder, 4, now)).toBe(4)
  expect(readAlarms(topics)).toEqual({ older: 1000, soon: 1750 })
  expect(readAlarms(conversations)).toEqual({ old: 1250, recent: 1500, later: 60_000 })
  expect(readAlarms(shards)).toEqual({ overdue: -10_000 })
})

test('thousands of overdue alarms open no more actors in ten seconds than alarms have places for', async () => {
  const most = 2600
  const overdue = Array.from({ length: 3000 }, (_, n) => [`a${n}`, now - n] as const)
  const file = await alarmsOf('Conversation', Object.fromEntries(overdue))
  await spreadAlarms(folder, alarmsPerSecond(most), now)
  const rings = Object.values(readAlarms(file)).toSorted((a, b) => a - b)
  const openAt = (ms: number) => rings.filter((at) => at <= ms && at > ms - 11_000).length
  expect(Math.max(...rings.map(openAt))).toBeLessThanOrEqual(most - budgetOf(most).forTasks)
})

test('a folder without alarms, or without actors, has none to move', async () => {
  expect(await spreadAlarms(join(folder, 'nothing'), 10, now)).toBe(0)
  await mkdir(join(folder, 'actors/parley-Topic'), { recursive: true })
  new DatabaseSync(join(folder, 'actors/parley-Topic/metadata.sqlite')).close()
  expect(await spreadAlarms(folder, 10, now)).toBe(0)
})

test('a file of alarms that another process holds is left as it is, and does not end the start', async () => {
  const file = await alarmsOf('Topic', { overdue: now - 1000 })
  const holder = new DatabaseSync(file)
  holder.exec('BEGIN IMMEDIATE')
  await spreadAlarms(folder, 4, now)
  holder.close()
  expect(readAlarms(file)).toEqual({ overdue: -1000 })
})

test('the start of a system and the process itself use the same pace of alarms', () => {
  for (const most of [100, 2600, 10_000]) expect(alarmsPerSecond(most)).toBe(budgetOf(most).alarmsPerSecond)
})

const worker = `import { DurableObject } from 'cloudflare:workers'
const rung = []
export class Topic extends DurableObject {
  async set(at) { await this.ctx.storage.setAlarm(at) }
  alarm() { rung.push(this.ctx.id.name) }
}
export default {
  async fetch(request, { TOPIC }) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '/') await TOPIC.getByName(pathname).set(Number(searchParams.get('at')))
    return Response.json(rung)
  },
}`

test('on workerd, an actor whose overdue alarm was moved is opened by it and does its work, the oldest first', async () => {
  await writeFile(join(folder, 'worker.js'), worker)
  const actors = [{ binding: 'TOPIC', className: 'Topic', storageKey: 'parley-Topic' }]
  const config = { compatibilityDate: '2026-10-01', compatibilityFlags: [], actors, crons: [], vars: {} }
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const start = async () => {
    const run = { worker: join(folder, 'worker.js'), config, vars: {}, dataDir: folder, host: '127.0.0.1', port }
    const running = await startWorkerd(run)
    await until('the worker answers', async () => (await fetch(url)).ok)
    return running
  }
  const before = await start()
  const due = Date.now() + 4000
  for (const name of ['/b', '/a', '/c'])
    await fetch(`${url}${name}?at=${due + (name === '/a' ? 1 : name === '/b' ? 2 : 3)}`)
  await before.stop()
  const files = await readdir(join(folder, 'actors'), { recursive: true })
  expect(files).toContain('parley-Topic/metadata.sqlite')
  await until('the alarms are overdue', () => Date.now() > due + 100)
  expect(await spreadAlarms(folder, 2, Date.now())).toBe(3)
  const after = await start()
  try {
    const rung = async () => JSON.stringify(await (await fetch(url)).json())
    await until('all alarms rang', async () => (await rung()).length > 15)
    expect(await rung()).toBe('["/a","/b","/c"]')
  } finally {
    await after.stop()
  }
})
