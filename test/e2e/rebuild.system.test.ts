import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rebuildAnswer } from '../../src/protocol/operator-api.ts'
import { actorTablesHolding } from '../support/e2e/actor-files.ts'
import { call, makeGroup, Person } from '../support/e2e/people.ts'
import { Shards } from '../support/e2e/shards.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let system: System
let shards: Shards
let alice: Person
let shard: 'shard0' | 'shard1'
let long: string
let short: string
let lost: string

beforeAll(async () => {
  system = await System.start({
    env: { TAIL_ENTRIES: '50', PROJECTION_DELAY_MS: '500', LIMIT_MESSAGES_PER_SECOND: '10000' },
  })
  shards = new Shards(system)
  alice = await new Person(system, 'alice').connect()
  ;[long = '', short = '', lost = ''] = await Promise.all([1, 2, 3].map(() => makeGroup(system, ['alice', 'bob'])))
  for (let n = 1; n <= 180; n++) await alice.send(long, `c${n}`, `long ${n}`)
  for (const group of [short, lost]) for (let n = 1; n <= 5; n++) await alice.send(group, `c${n}`, `text ${n}`)
  await alice.rpc('message.delete', { conversation: short, seq: 2 })
  await alice.rpc('message.edit', { conversation: short, seq: 3, text: 'edited' })
  await shards.caughtUp(
    new Map([
      [long, 180],
      [short, 7],
      [lost, 5],
    ]),
  )
  await until(
    'the tail is pruned',
    () => actorTablesHolding(system, `{"type":"message","id":"${long}.1",`).length === 0,
  )
  const [found] = await shards.query<{ shard: 'shard0' | 'shard1' }>('directory', 'SELECT shard FROM tenants')
  if (found === undefined) throw new Error('the tenant is not in the directory')
  ;({ shard } = found)
})
afterAll(() => {
  alice.leave()
  system.abandon()
})

/** The rows of the tenant, as its shard has them. */
async function rows(): Promise<unknown> {
  const read = (text: string) => shards.query(shard, text)
  return await Promise.all([
    read('SELECT * FROM conversations ORDER BY conversation_id'),
    read('SELECT * FROM members ORDER BY conversation_id, user_id'),
    read('SELECT * FROM messages ORDER BY conversation_id, seq, sent_at'),
  ])
}

/** Runs the command; returns its exit code and its lines. */
async function rebuild(...args: string[]): Promise<{ readonly code: number | null; readonly lines: string[] }> {
  const cli = join(import.meta.dirname, '../../local/rebuild-cli.ts')
  const env = { ...process.env, ADMIN_KEY: system.adminKey }
  const child = spawn(process.execPath, [cli, ...args, '--url', system.url], { env })
  const parts: string[] = []
  child.stdout.on('data', (part) => parts.push(String(part)))
  child.stderr.on('data', (part) => parts.push(String(part)))
  const code = await new Promise<number | null>((ended) => child.once('exit', ended))
  return { code, lines: parts.join('').trimEnd().split('\n') }
}

const damage = (text: string) => shards.query(shard, text)

test("an operator has a shard's rows made again from the logs of its conversations", async () => {
  const before = await rows()
  expect(await rebuild('demo', '--compare', '--page', '2')).toMatchObject({
    code: 0,
    lines: expect.arrayContaining([expect.stringMatching(/3 checked, 3 equal, 0 rebuilt, 0 different; done/)]),
  })

  await damage(
    `UPDATE messages SET body = replace(body, 'long', 'wrong') WHERE conversation_id = '${long}' AND seq = 170`,
  )
  await damage(`DELETE FROM messages WHERE conversation_id = '${long}' AND seq > 175`)
  await damage(
    `UPDATE messages SET sent_at = sent_at - (sent_at - date_trunc('month', sent_at)) / 2
      WHERE conversation_id = '${short}' AND seq = 1`,
  )
  await damage(`UPDATE conversations SET name = 'wrong', version = version + 100 WHERE conversation_id = '${short}'`)
  await damage(`DELETE FROM members WHERE conversation_id = '${short}' AND user_id = 'bob'`)
  for (const table of ['messages', 'conversations', 'members'])
    await damage(`DELETE FROM ${table} WHERE conversation_id = '${lost}'`)
  await damage(`DELETE FROM placements`)

  const compared = await rebuild('demo', '--compare')
  expect(compared.code).toBe(1)
  // Two months where the messages were sent at the end of one.
  const months = String.raw`entries of \d{4}-\d\d(?:, \d{4}-\d\d)?`
  expect(compared.lines.join('\n')).toMatch(new RegExp(`${long} differs: ${months}$`, 'm'))
  expect(compared.lines.join('\n')).toMatch(new RegExp(`${short} differs: ${months}; properties or members$`, 'm'))
  expect(compared.lines.join('\n')).toMatch(new RegExp(`${lost} differs: ${months}; properties or members$`, 'm'))
  expect(await rows()).not.toEqual(before)

  // Written while it is rebuilt, and there once.
  await alice.send(long, 'meanwhile', 'meanwhile')
  const rebuilt = await rebuild('--shard', shard, '--page', '1')
  expect(rebuilt.lines.at(-1)).toContain('3 checked, 3 equal, 3 rebuilt, 0 different; done')
  expect(rebuilt.code).toBe(0)
  await shards.caughtUp(new Map([[long, 181]]))
  await shards.query(shard, `DELETE FROM messages WHERE conversation_id = '${long}' AND seq = 181`)
  expect(await rows()).toEqual(before)

  // What is equal is not written again.
  await rebuild('demo')
  const again = await rebuild('demo')
  expect(again.lines.at(-1)).toContain('3 checked, 3 equal, 0 rebuilt')
})

test('entries that neither a log nor Postgres has are counted as lost, and everything else is made again', async () => {
  await damage(`DELETE FROM messages WHERE conversation_id = '${long}' AND seq IN (3, 4, 179)`)
  const answer = await rebuild('demo')
  expect(answer.lines.join('\n')).toContain(
    `${long} differs: 2 old entries are lost: neither its log nor Postgres has them`,
  )
  expect(answer.code).toBe(1)
  expect((await shards.logOf([long])).map(({ seq }) => seq)).toContain(179)
})

test('a rebuild goes on from the cursor of the call before', async () => {
  const page = async (cursor: string) => {
    const body = { mode: 'all', cursor, limit: 1 }
    const answer = await call(system, system.adminKey, 'POST', '/admin/v1/tenants/demo/rebuild', body)
    expect(answer.status).toBe(200)
    return rebuildAnswer.parse(answer.body)
  }
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const { rebuilt, pending, next } = await page(cursor)
    seen.push(...rebuilt, ...pending)
    cursor = next
  }
  expect(seen).toEqual([long, short, lost].toSorted())
  const wrong = await call(system, system.adminKey, 'POST', '/admin/v1/tenants/demo/rebuild', { cursor: 'x' })
  expect(wrong).toMatchObject({ status: 400, body: { detail: 'cursor: not one that this operation gave' } })
})

test('a conversation that Postgres has rows of and that does not exist is named, and its rows stay', async () => {
  await damage(`INSERT INTO conversations SELECT tenant_id, conversation_id || 'x', type, name, epoch, created_by, created_at, NULL, 1
    FROM conversations WHERE conversation_id = '${short}'`)
  const answer = await rebuild('demo')
  expect(answer.lines.join('\n')).toContain(
    `${short}x differs: Postgres has rows of it, and there is no such conversation`,
  )
  expect(await damage(`SELECT 1 FROM conversations WHERE conversation_id = '${short}x'`)).toHaveLength(1)
})
