import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { postgresIsThere, tableOf } from '../support/worker/shards.ts'
import { newTenant, operatorKey } from '../support/worker/tenant.ts'

const parkedTasks = z.object({ tasks: z.array(z.looseObject({ actor: z.string() })) })

const names = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`)

/** As after two ends of the process in the midst of telling the inboxes, the last one at `at`. */
async function diedTwice(conversation: DurableObjectStub, at: number): Promise<void> {
  await runInDurableObject(conversation, async (_, { storage }) => {
    storage.sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('attempts/inboxes', '2 ${at}')`)
    storage.sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('noted', '0')`)
    // As the commit that made the task pending has done.
    await storage.setAlarm(Date.now() + 60_000)
  })
  await evictDurableObject(conversation)
}

const settingOf = async (conversation: DurableObjectStub, name: string) =>
  await runInDurableObject(conversation, (_, { storage }) => {
    const rows = storage.sql.exec('SELECT value FROM facts WHERE name = ?', name).toArray()
    return String(rows[0]?.['value'] ?? '')
  })

test('a task that ended its process twice is parked, is shown to the operator, and runs later', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const conversation = tenant.actorOf(lunch)
  await tenant.post(lunch, 'alice', 'Hello')
  const actor = `${tenant.id}/${lunch}`
  const parked = async () => {
    const { body } = await call('GET /admin/v1/parked-tasks', { as: operatorKey })
    return parkedTasks.parse(body).tasks.filter((task) => task.actor === actor)
  }
  const gauge = async () => /^parley_parked_tasks (\d+)$/m.exec((await call('GET /metrics')).text)?.[1]

  const now = Date.now()
  await diedTwice(conversation, now)
  await runDurableObjectAlarm(conversation)
  expect(await settingOf(conversation, 'noted')).toBe('0')
  await expect.poll(parked).toEqual([{ actor, task: 'inboxes', lost: 2, until: now + 30_000 }])
  expect(await gauge()).toBe('1')

  await diedTwice(conversation, now - 31_000)
  await runDurableObjectAlarm(conversation)
  await eventually('the task has run', async () =>
    (await settingOf(conversation, 'noted')) === '1' ? true : undefined,
  )
  await expect.poll(parked).toEqual([])
  expect(await gauge()).toBe('0')
})

test('Postgres receives the members of a large conversation a thousand at a time', async () => {
  const statements = postgresIsThere()
  const tenant = await newTenant()
  const lunch = await tenant.group(...names(2500))
  const given = () =>
    statements
      .filter((statement) => tableOf(statement) === 'members')
      .map(({ params }) => ({
        members: (params[4] ?? '').split(',').length,
        isComplete: params[11],
      }))
  await eventually('all are written', async () => {
    await runDurableObjectAlarm(tenant.actorOf(lunch))
    return given().length >= 3 ? true : undefined
  })
  expect(given().map(({ members }) => members)).toEqual([1000, 1000, 500])
  expect(await settingOf(tenant.actorOf(lunch), 'attempts/projection')).toBe('')
})
