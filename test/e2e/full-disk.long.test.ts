import { execFileSync } from 'node:child_process'
import { openSync, rmSync, statfsSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { freePort, System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let system: System
let isMounted = false

beforeAll(async () => {
  system = System.prepare(await freePort())
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=600m', 'tmpfs', system.dataDir], { stdio: 'ignore' })
    isMounted = true
  } catch {
    return
  }
  await system.startAgain()
})

afterAll(async () => {
  if (isMounted) {
    await system.killWorker()
    execFileSync('umount', ['-l', system.dataDir])
  }
  system.abandon()
})

/** Fills the disk to its last block; returns what gives the space back. */
function fill(): () => void {
  const ballast = join(system.dataDir, 'ballast')
  const file = openSync(ballast, 'w')
  for (const size of [1 << 20, 4096, 1])
    try {
      for (;;) writeSync(file, Buffer.alloc(size))
    } catch {
      // Full for pieces of this size.
    }
  closeSync(file)
  return () => rmSync(ballast)
}

test('on a full disk nothing is acknowledged and the process stays, and all goes on when there is space', async ({
  skip,
}) => {
  skip(!isMounted, 'needs the right to mount a tmpfs')
  const group = await makeGroup(system, ['alice', 'bob'])
  const [alice, bob] = [new Person(system, 'alice'), new Person(system, 'bob')]
  await Promise.all([alice.connect(), bob.connect()])
  const listener = await bob.listen(group).ready()
  await alice.send(group, 'before', 'before')
  await listener.reach(1)
  const worker = system.workerPid

  const giveBack = fill()
  expect(statfsSync(system.dataDir).bavail).toBe(0)
  const path = `/v1/conversations/${group}/messages`
  const send = async (clientId: string) =>
    (await call(system, apiKey, 'POST', path, { clientId, text: clientId, user: 'alice' })).status
  const refused: string[] = []
  await until('a message is refused', async () => {
    const clientId = `full-${refused.length}`
    const status = await send(clientId)
    if (status !== 201) refused.push(clientId)
    expect([201, 500, 503]).toContain(status)
    return refused.length >= 3
  })
  expect(system.workerPid).toBe(worker)
  expect((await fetch(`${system.url}/healthz`)).status).toBe(200)

  giveBack()
  await until('messages are taken again', async () => (await send('after')) < 300)
  for (const clientId of refused) expect([200, 201]).toContain(await send(clientId))
  const { body } = await call(system, apiKey, 'GET', `${path}?limit=100`)
  const page = JSON.stringify(body)
  for (const text of ['before', 'after', ...refused]) expect(page.split(`"text":"${text}"`)).toHaveLength(2)
  await until('the subscriber has them all', () => listener.heard.some(({ text }) => text === refused.at(-1)))
  expect(new Set(listener.seqs).size).toBe(listener.seqs.length)
  for (const person of [alice, bob]) person.leave()
})
