import { execFileSync } from 'node:child_process'
import { afterAll, expect, test } from 'vitest'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { freePort, System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

const systems: System[] = []
afterAll(() => systems.forEach((system) => system.abandon()))

async function newSystem(): Promise<System> {
  const system = System.prepare(await freePort())
  systems.push(system)
  return system
}

test.each([
  ['ended by SIGTERM', async (system: System) => await system.terminate()],
  ['killed', async (system: System) => await system.killWorker()],
])('a copy of the data folder of a system that was %s is the same system elsewhere', async (_, end) => {
  const first = await newSystem()
  await first.startAgain()
  const group = await makeGroup(first, ['alice', 'bob'])
  const alice = await new Person(first, 'alice').connect()
  for (let n = 1; n <= 5; n++) await alice.send(group, `c${n}`, `message ${n}`)
  const token = await alice.token()
  const later = { clientId: 'later', text: 'later', deliverAt: Date.now() + 3000 }
  const path = `/v1/conversations/${group}/messages`
  expect((await call(first, token, 'POST', path, later)).status).toBe(202)
  alice.leave()
  await end(first)

  const second = await newSystem()
  // Owners and modes are kept, as docs/deploy.md asks: the databases belong to a user of their own.
  execFileSync('cp', ['-a', `${first.dataDir}/.`, second.dataDir])
  await second.startAgain()
  const texts = async (credential: string) =>
    JSON.stringify((await call(second, credential, 'GET', `${path}?limit=20`)).body)
  for (let n = 1; n <= 5; n++) expect(await texts(token)).toContain(`"message ${n}"`)
  await until('the message for later comes', async () => (await texts(apiKey)).includes('"later"'))
  const again = await new Person(second, 'alice').connect()
  expect(await again.send(group, 'c6', 'message 6')).toMatchObject({ seq: 7 })
  again.leave()
  await until('the system is well', async () => {
    const { status, body } = await call(second, apiKey, 'GET', '/readyz')
    expect(`${status} ${JSON.stringify(body)}`).toMatch(/^200 .*"status":"ok"/)
    return true
  })
})
