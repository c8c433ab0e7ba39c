import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { Shards } from '../support/e2e/shards.ts'
import { System } from '../support/e2e/system.ts'

let system: System

beforeAll(async () => {
  system = await System.start()
})
afterAll(() => system.abandon())

/** `npm run cron -- …`, as npm would run it. */
async function cron(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const own = { PORT: String(system.port), PARLEY_DATA: system.dataDir, ...env }
  const cli = join(import.meta.dirname, '../../local/cron-cli.ts')
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], { env: { ...process.env, ...own } })
    return { code: 0, said: stdout.trim() }
  } catch (thrown) {
    const { code, stderr } = z.object({ code: z.number(), stderr: z.string() }).parse(thrown)
    return { code, said: stderr.trim() }
  }
}

test('every entry of the schedule is listed, and runs by hand on the whole system', async () => {
  const names = (await cron([])).said.split('\n').map((line) => line.split(/ +/)[0] ?? '')
  expect(names).toEqual(expect.arrayContaining(['sweep', 'reconcile', 'partitions', 'failures']))
  for (const name of names)
    expect(await cron([name])).toEqual({ code: 0, said: expect.stringMatching(new RegExp(`^${name} ran in \\d+ ms$`)) })
})

test('usage of a tenant is on its bill within the hour', async () => {
  const group = await makeGroup(system, ['alice', 'bob'])
  const alice = await new Person(system, 'alice').connect()
  for (const n of [1, 2, 3]) await alice.send(group, `c${n}`, 'hello')
  for (const queue of ['default', 'mail'])
    expect((await call(system, apiKey, 'POST', '/v1/jobs', { queue, type: 'join' })).status).toBe(201)
  await new Shards(system).caughtUp(new Map([[group, 3]]))
  for (const name of ['connections', 'usage']) expect(await cron([name])).toMatchObject({ code: 0 })
  const { body } = await call(system, apiKey, 'GET', '/v1/usage')
  expect(body).toMatchObject({ days: [{ messages: 3, jobs: 2, connectionsPeak: 1 }] })
  alice.leave()
})

test('another deployment is reached by its address and admin key', async () => {
  const elsewhere = { PORT: '1', PARLEY_DATA: '/nowhere' }
  expect(await cron(['sweep', '--url', system.url], { ...elsewhere, ADMIN_KEY: system.adminKey })).toMatchObject({
    code: 0,
  })
  const wrong = await cron(['sweep', '--url', system.url], { ...elsewhere, ADMIN_KEY: 'not the key of this one' })
  expect(wrong).toEqual({ code: 1, said: expect.stringMatching(/^parley: .*401/) })
})

test.each([
  [['nothing'], {}, /^parley: nothing is not in the schedule; it has sweep, /],
  [['a', 'b'], {}, /^parley: give one name/],
  [['sweep', '--url', 'http://127.0.0.1:1'], {}, /^parley: set ADMIN_KEY/],
  [['sweep'], { PARLEY_DATA: '/nowhere' }, /^parley: \/nowhere holds no system/],
  [['sweep'], { PORT: '1' }, /^parley: no answer from there/],
])('%j with %j is refused in a sentence', async (args, env, sentence) => {
  expect(await cron(args, { ADMIN_KEY: '', ...env })).toEqual({ code: 1, said: expect.stringMatching(sentence) })
})
