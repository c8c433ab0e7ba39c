import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { freePort, System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

// Data folders that earlier versions have written, without Postgres; test/fixtures/README.md says how they were made.

const fixtures = join(import.meta.dirname, '../fixtures')
const systems: System[] = []

afterEach(() => {
  for (const system of systems.splice(0)) system.abandon()
})

/** A system on a copy of a fixture. */
async function onFixture(name: string, launcher: 'serve' | 'start'): Promise<System> {
  const system = System.prepare(await freePort(), { launcher })
  systems.push(system)
  execFileSync('tar', ['xzf', join(fixtures, `${name}.tar.gz`), '-C', system.dataDir])
  await system.startAgain()
  return system
}

/** What the earlier version knew of a fixture. */
const knownOf = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'))

const ordinary = z.object({ group: z.string(), texts: z.array(z.string()), keys: z.array(z.string()) })
const page = z.object({ messages: z.array(z.object({ seq: z.number(), text: z.string() })) })
const list = z.object({
  conversations: z.array(z.object({ id: z.string(), name: z.string(), read: z.number(), unread: z.number() })),
})

test.each(['serve', 'start'] as const)(
  'data that npm run %s wrote before the platform’s class had its present name is complete, and goes on',
  async (launcher) => {
    const name = `data-before-platform-${launcher}`
    const known = ordinary.parse(knownOf(name))
    const system = await onFixture(name, launcher)
    const [key = '', second = ''] = known.keys
    const get = async (credential: string, path: string) => (await call(system, credential, 'GET', path)).body

    const messages = page.parse(await get(key, `/v1/conversations/${known.group}/messages?limit=100`)).messages
    expect(messages.toSorted((a, b) => a.seq - b.seq).map(({ text }) => text)).toEqual(known.texts)
    const alice = new Person(system, 'alice', { key })
    const bob = new Person(system, 'bob', { key: second })
    expect(list.parse(await get(await bob.token(), '/v1/conversations')).conversations).toEqual([
      { id: known.group, name: 'Old friends', read: 5, unread: 7 },
    ])

    expect(await get(system.adminKey, '/admin/v1/platform')).toMatchObject({
      system: { messagesPerSecond: 12_345, requestsPerSecond: 23_456 },
      plans: { gold: { limits: { messagesPerSecond: 77 } } },
    })
    expect(await get(system.adminKey, '/admin/v1/tenants/acme')).toMatchObject({ name: 'Acme', plan: 'gold' })
    expect(await get(key, '/v1/settings')).toMatchObject({ origins: ['https://acme.example'] })

    expect(await get(key, '/v1/jobs/pending-export?queue=exports')).toMatchObject({
      state: 'waiting',
      type: 'http',
    })
    expect(await get(key, '/v1/schedules?queue=exports')).toMatchObject({
      schedules: [{ name: 'nightly', cron: '15 2 * * *', timeZone: 'Europe/Berlin', paused: true }],
    })

    await Promise.all([alice.connect(), bob.connect()])
    const listener = await bob.listen(known.group).ready()
    const sent = await alice.send(known.group, 'c-new', 'written by the new version')
    await listener.reach(sent.seq)
    expect(await alice.send(known.group, 'c12', known.texts.at(-1) ?? '')).toMatchObject({ duplicate: true })
    // The counts go on from those of before: one message more is unread for bob, and the sender has read it.
    const listed = async (person: Person) =>
      list.parse(await get(await person.token(), '/v1/conversations')).conversations[0]
    await until('bob has one more unread message', async () => {
      const item = await listed(bob)
      return item?.unread === 8 && item.read === 5 ? item : undefined
    })
    expect(await listed(alice)).toMatchObject({ unread: 0, read: sent.seq })
    alice.leave()
    bob.leave()
  },
)

test('a start on data of before runs the pending tasks of the members of a group of three thousand, and others chat meanwhile', async () => {
  const { group, members } = z
    .object({ group: z.string(), members: z.number() })
    .parse(knownOf('data-with-owed-fan-out'))
  const system = await onFixture('data-with-owed-fan-out', 'serve')
  const other = await makeGroup(system, ['olga', 'otto'])
  const [olga, otto] = [new Person(system, 'olga'), new Person(system, 'otto')]
  await Promise.all([olga.connect(), otto.connect()])
  const listener = await otto.listen(other).ready()
  await olga.send(other, 'c1', 'hello')
  await listener.reach(1)
  olga.leave()
  otto.leave()

  const view = z.object({ conversations: z.array(z.object({ id: z.string() })) })
  for (const user of ['member-0', `member-${members - 2}`, 'alice']) {
    const token = await new Person(system, user).token()
    const listed = async () =>
      view
        .parse((await call(system, token, 'GET', '/v1/conversations')).body)
        .conversations.find(({ id }) => id === group)
    await until(`${user} has the group in the list`, listed)
  }
  const message = { clientId: 'c1', text: 'hello all', user: 'member-7' }
  expect((await call(system, apiKey, 'POST', `/v1/conversations/${group}/messages`, message)).status).toBe(201)
  expect((await call(system, apiKey, 'GET', '/readyz')).status).toBe(200)
})
