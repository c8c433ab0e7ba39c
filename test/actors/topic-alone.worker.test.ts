import { runInDurableObject } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { eventually } from '../support/worker/bounded.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { ownGateway, ringTopic, topicOf } from '../support/worker/topics.ts'

afterEach(() => void vi.useRealTimers())

const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

const channel = 'orders:42'
const rules = { version: 99, historySize: 0, historyTtlSeconds: 300, joinLeave: false }

test('a topic whose last gateway died without a word is gone a minute after it was found dead', async () => {
  const tenant = await newTenant()
  const topic = topicOf(tenant, channel)
  const rowsOf = (query: string) => runInDurableObject(topic, (_, { storage }) => storage.sql.exec(query).toArray())
  const tables = () => rowsOf("SELECT name FROM sqlite_master WHERE name = 'facts'")
  // No connection is subscribed there, as after a gateway's death.
  const subscribe = { kind: 'subscribe' as const, user: 'alice', client: 'a', joinLeave: false }
  await topic.execute({ gateway: ownGateway(), have: null, rules, commands: [subscribe] })
  later(61_000)
  await ringTopic(tenant, channel)
  expect(await rowsOf('SELECT 1 FROM listeners')).toHaveLength(1)

  const publish = { kind: 'publish' as const, user: '', client: '', server: true, data: '1' }
  await topic.execute({ gateway: null, have: null, rules, commands: [publish] })
  await eventually('no connection is subscribed', async () =>
    (await rowsOf('SELECT 1 FROM listeners')).length === 0 ? true : undefined,
  )
  expect(await tables()).toHaveLength(1)
  later(61_000)
  await ringTopic(tenant, channel)
  expect(await tables()).toEqual([])
})

test('a topic that was only read has no tables, and its first publication is in the epoch that the reader saw', async () => {
  const topic = topicOf(await newTenant(), channel)
  const kept = { ...rules, historySize: 10 }
  const tables = () =>
    runInDurableObject(topic, (_, { storage }) => storage.sql.exec('SELECT name FROM sqlite_master').toArray())
  const read = await topic.history(kept, { limit: 10, reverse: false })
  await topic.removeHistory()
  await topic.presence('list')
  expect(read).toMatchObject({ kind: 'page', top: 0, publications: [] })
  expect(await tables()).toEqual([])

  const publish = { kind: 'publish' as const, user: '', client: '', server: true, data: '1' }
  await topic.execute({ gateway: null, have: null, rules: kept, commands: [publish] })
  const epoch = read.kind === 'page' ? read.epoch : ''
  expect(await topic.history(kept, { limit: 10, reverse: false })).toMatchObject({ epoch, top: 1 })
})
