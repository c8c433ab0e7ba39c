import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let system: System
beforeAll(async () => void (system = await System.start()))
afterAll(() => system.abandon())

/** Runs of the inbox task that began and have not ended, by what the conversations have stored. */
function begun(): number {
  const folder = join(system.dataDir, 'actors/parley-Conversation')
  const counts = readdirSync(folder)
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .map((name) => {
      const database = new DatabaseSync(join(folder, name), { readOnly: true })
      try {
        const row = database.prepare("SELECT value FROM facts WHERE name = 'attempts/inboxes'").get()
        return Number(z.object({ value: z.string() }).safeParse(row).data?.value.split(' ')[0] ?? 0)
      } catch {
        // Not there yet, or just being written.
        return 0
      } finally {
        database.close()
      }
    })
  return Math.max(0, ...counts)
}

/** `kill -9` in the midst of the run that is the `nth` in a row without an end. */
async function killInRun(nth: number): Promise<void> {
  await until('the task is under way', () => begun() === nth, 60_000)
  await system.killWorker()
}

const parkedTasks = z.object({ tasks: z.array(z.object({ task: z.string(), lost: z.number() })) })
const lists = z.object({ conversations: z.array(z.object({ id: z.string() })) })

test('a task whose process was killed twice is parked while others chat, and is done later', async () => {
  const members = Array.from({ length: 10_000 }, (_, n) => `member-${n}`)
  const made = await call(system, apiKey, 'POST', '/v1/conversations', { type: 'group', members })
  const { id } = z.object({ id: z.string() }).parse(made.body)
  await killInRun(1)
  await system.startAgain()
  await killInRun(2)
  await system.startAgain()

  const parked = async () =>
    parkedTasks.parse((await call(system, system.adminKey, 'GET', '/admin/v1/parked-tasks')).body).tasks
  // The task that writes to Postgres may have been under way as well, and is then parked beside it.
  const isParked = async () => (await parked()).some(({ task, lost }) => task === 'inboxes' && lost === 2)
  await until('the task is parked', isParked, 60_000)

  const group = await makeGroup(system, ['alice', 'bob'])
  const [alice, bob] = [new Person(system, 'alice'), new Person(system, 'bob')]
  await Promise.all([alice.connect(), bob.connect()])
  const listener = await bob.listen(group).ready()
  await alice.send(group, 'c1', 'as on any day')
  await listener.reach(1)
  alice.leave()
  bob.leave()

  await until('the task is done', async () => (await parked()).length === 0, 120_000)
  const last = new Person(system, 'member-9999')
  const { body } = await call(system, await last.token(), 'GET', '/v1/conversations')
  expect(lists.parse(body).conversations.map((each) => each.id)).toEqual([id])
})
