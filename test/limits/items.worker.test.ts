import { env } from 'cloudflare:workers'
import { listDurableObjectIds } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { answer } from '../../src/edge/server-api/commands.ts'
import type { Env } from '../../src/env.ts'
import { GivenJson } from '../../src/protocol/given-json.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

// A request pays for its items before they are worked on.

const users = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}${n}`)

test('members of a new conversation count against the limit of its creator, and the refusal says which and how long', async () => {
  const tenant = await newTenant({ requestsPerSecondUser: 20 })
  const as = await tenant.token('alice')
  const create = (members: readonly string[]) =>
    call('POST /v1/conversations', { as, body: { type: 'group', members } })
  expect((await create(users(9000, 'a'))).status).toBe(201)
  const refused = await create(users(2000, 'b'))
  expect(refused.status).toBe(429)
  expect(refused.body).toMatchObject({ 'violated-policies': ['items-user'], detail: expect.stringContaining('wait') })
  // One member more is a request like any other.
  expect((await create([])).status).toBe(201)
})

test('commands of a batch and channels of a broadcast count against the limit of the key', async () => {
  const tenant = await newTenant({ requestsPerSecondKey: 20 })
  // Commands of no method cost nothing but their items: the bucket must not fill up meanwhile.
  const commands = Array.from({ length: 1000 }, () => ({ nothing: {} }))
  const batch = () => call('POST /api/batch', { as: tenant.key, body: { commands } })
  for (let n = 0; n < 9; n++) expect((await batch()).body['replies']).toHaveLength(1000)
  const answers = [await batch(), await batch()]
  expect(answers.at(-1)?.body).toMatchObject({ error: { code: 111, detail: expect.stringContaining('items-key') } })
  const channels = users(1000, 'news:')
  const told = await call('POST /api/broadcast', { as: tenant.key, body: { channels, data: {} } })
  expect(told.body).toMatchObject({ error: { code: 111 } })
})

test('checks of a batch count one each', async () => {
  const tenant = await newTenant({ checksPerSecond: 10 })
  const policy = { algorithm: 'token-bucket', limit: 10, windowSeconds: 1 }
  expect(await call('PUT /v1/limits/policies/logins', { as: tenant.key, body: policy })).toMatchObject({ status: 200 })
  const checks = users(50, 'key').map((key) => ({ policy: 'logins', key }))
  // Fifty at once are more than the bucket ever holds, however long the test takes.
  expect((await call('POST /v1/limits/check-batch', { as: tenant.key, body: { checks } })).body).toMatchObject({
    'violated-policies': ['checks'],
  })
  const few = { checks: checks.slice(0, 5) }
  expect((await call('POST /v1/limits/check-batch', { as: tenant.key, body: few })).status).toBe(200)
})

test('commands for users that never connected make no inbox', async () => {
  const tenant = await newTenant()
  const commands = users(50, 'invented').map((user) => ({ subscribe: { user, channel: 'news:1' } }))
  await call('POST /api/batch', { as: tenant.key, body: { commands } })
  const ids = new Set((await listDurableObjectIds(env.INBOX)).map(String))
  const made = users(50, 'invented').filter((user) => ids.has(String(env.INBOX.idFromName(`${tenant.id}/${user}`))))
  expect(made).toEqual([])
})

test('a parallel batch has four commands under way at once, so that commands of others are served between them', async () => {
  const tenant = await newTenant()
  let [underWay, most] = [0, 0]
  const notes = {
    standingOf: async () => {
      most = Math.max(most, ++underWay)
      await scheduler.wait(5)
      underWay--
      return 'closed'
    },
  }
  // The notes of the user, which each command asks first.
  const counted: Env = Object.create(env, { INBOX_NOTES: { value: { getByName: () => notes } } })
  const body = {
    parallel: true,
    commands: users(40, 'away').map((user) => ({ disconnect: { user } })),
  }
  const given = new GivenJson(body, JSON.stringify(body))
  const answered = await answer(counted, { kind: 'server', tenant: tenant.id, keyId: 'test' }, 'batch', given)
  expect(JSON.parse(answered)).toEqual({ replies: users(40, '').map(() => ({ disconnect: {} })) })
  expect(most).toBe(4)
})
