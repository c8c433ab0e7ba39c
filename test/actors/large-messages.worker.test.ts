import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import type { StreamCall, StreamCommand } from '../../src/protocol/stream.ts'
import { postgresIsThere, tableOf } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

const reader = { user: 'bob', client: 'b' }
const since = (offset: number): StreamCommand => ({
  ...reader,
  kind: 'subscribe',
  joinLeave: false,
  since: { offset, epoch: '' },
})
const callOf = (commands: readonly StreamCommand[], have: number | null = null): StreamCall => ({
  gateway: have === null ? null : 'large/0',
  have,
  commands,
})

/** A conversation with so many messages as large as they may be, more than a call between actors may carry. */
async function told(messages: number) {
  const tenant = await newTenant()
  const conversation = tenant.actorOf(await tenant.group('alice', 'bob'))
  const attachments = Array.from({ length: 10 }, () => ({ type: 'x', url: `https://x.test/${'a'.repeat(2000)}` }))
  for (let n = 0; n < messages; n++) {
    const content = { clientId: `${n}`, text: `漢${'"'.repeat(16_000)}`, data: 'y'.repeat(16_000), attachments }
    await conversation.execute(callOf([{ user: 'alice', client: '', kind: 'send', content }]))
  }
  return conversation
}

test('messages as large as they may be are recovered, paged and projected in as many steps as it takes', async () => {
  const statements = postgresIsThere()
  const conversation = await told(300)

  // Some can be recovered, all cannot, and many at once can later.
  const { results } = await conversation.execute(callOf([since(270), since(0), since(271), since(272)]))
  expect(results).toMatchObject([
    { recovered: true, offset: 270 },
    { wasRecovering: true, recovered: false, offset: 300, publications: [] },
    { recovered: true },
    { error: 'tooManyRequests' },
  ])
  // A gateway that has not heard so much has its listeners start over.
  expect(await conversation.execute(callOf([], 0))).toMatchObject({ behind: true, update: { publications: [] } })

  const pages = []
  for (let before = 301; before > 1;) {
    const query = { limit: 300, reverse: true, since: { offset: before, epoch: '' } }
    const page = await conversation.history({ ...reader, server: false }, query)
    if (page.kind === 'refused') throw new Error(page.error)
    pages.push(...page.publications.map(({ offset }) => offset))
    before = page.publications.at(-1)?.offset ?? 0
  }
  expect(pages).toEqual(Array.from({ length: 300 }, (_, n) => 300 - n))

  await runDurableObjectAlarm(conversation)
  await expect
    .poll(() =>
      runInDurableObject(conversation, (_, { storage }) =>
        storage.sql.exec("SELECT value FROM facts WHERE name = 'projected'").toArray(),
      ),
    )
    .toEqual([{ value: '300' }])
  const writes = statements.filter((statement) => tableOf(statement) === 'messages')
  expect(writes.length).toBeGreaterThan(1)
})
