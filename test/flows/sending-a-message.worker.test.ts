import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { connectAs } from '../support/worker/person.ts'
import { postgresIsAway, postgresIsThere, tableOf } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

// The steps of docs/flows/sending-a-message.md.
describe('sending a message', async () => {
  postgresIsAway()
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob', 'carol')
  const alice = await connectAs(tenant, 'alice', { gateway: 'flow-here/0' })
  const bob = await connectAs(tenant, 'bob', { gateway: 'flow-here/0' })
  const carol = await connectAs(tenant, 'carol', { gateway: 'flow-there/0' })
  for (const person of [alice, bob, carol]) await person.subscribe(lunch)
  const conversation = tenant.actorOf(lunch)

  test('1. the gateway receives a frame and adds each command to the batch of its conversation', async () => {
    const before = await env.GATEWAY.getByName('flow-here/0').stats()
    alice.line.say(
      { rpc: { method: 'message.send', data: { conversation: lunch, clientId: 'one', text: 'Hungry?' } } },
      { rpc: { method: 'message.send', data: { conversation: lunch, clientId: 'two', text: 'Soup?' } } },
    )
    await bob.hears(lunch)
    await bob.hears(lunch)
    const after = await env.GATEWAY.getByName('flow-here/0').stats()
    expect(after.commands - before.commands).toBe(2)
    expect(after.calls - before.calls).toBeLessThanOrEqual(2)
  })

  test('2. the conversation decides, stores and answers: a message has its seq and its row before a subscriber receives it', async () => {
    const rows = await runInDurableObject(conversation, (_, { storage }) =>
      storage.sql.exec('SELECT seq, user, client_id FROM messages ORDER BY seq').toArray(),
    )
    expect(rows).toEqual([
      { seq: 1, user: 'alice', client_id: 'one' },
      { seq: 2, user: 'alice', client_id: 'two' },
    ])
  })

  test('3. the sender receives the reply and the publication in one frame, the reply first', async () => {
    const sent = await alice.send(lunch, 'Or pizza?', 'three')
    expect(sent).toMatchObject({ seq: 3, duplicate: false, id: `${lunch}.3` })
    const [first, second] = alice.line.frames.find((frame) => frame.some(({ push }) => push?.pub?.offset === 3))!
    expect(first).toMatchObject({ rpc: { data: { seq: 3 } } })
    expect(second).toMatchObject({ push: { pub: { offset: 3, data: { text: 'Or pizza?' } } } })
  })

  test('4. every other gateway with a subscriber is called, and delivers in the same order', async () => {
    const heard = [await carol.hears(lunch), await carol.hears(lunch), await carol.hears(lunch)]
    expect(heard.map(({ offset, data }) => [offset, data['text']])).toEqual([
      [1, 'Hungry?'],
      [2, 'Soup?'],
      [3, 'Or pizza?'],
    ])
  })

  test('5. the alarm rings again while Postgres is away, and the task stays pending', async () => {
    await expect.poll(() => owedAfterRing(conversation)).toEqual({ projected: '0', alarm: true })
  })

  test('6. once Postgres is back, the alarm writes the log to it and moves the watermark', async () => {
    const statements = postgresIsThere()
    await expect.poll(() => owedAfterRing(conversation)).toMatchObject({ projected: '3' })
    const insert = statements.find((statement) => tableOf(statement) === 'messages')
    expect(insert?.params).toContain('{"1","2","3"}')
    expect(statements.map(tableOf)).toEqual(expect.arrayContaining(['messages', 'conversations', 'members']))
  })

  test('7. each member’s inbox is notified of the conversation’s position, and publishes it to the member’s devices', async () => {
    const { data } = await bob.inboxSays('unread', (pub) => pub.data['last'] === 3)
    expect(data).toMatchObject({ conversation: lunch, last: 3, read: 0, unread: 3, preview: { text: 'Or pizza?' } })
    const mine = await alice.inboxSays('unread', (pub) => pub.data['last'] === 3)
    expect(mine.data).toMatchObject({ unread: 0 })
  })
})

/** How far Postgres has the log once the alarm has rung, and whether it is set to try again. */
async function owedAfterRing(conversation: DurableObjectStub) {
  await runDurableObjectAlarm(conversation)
  return await runInDurableObject(conversation, async (_, { storage }) => {
    const known = storage.sql.exec("SELECT value FROM facts WHERE name = 'projected'").toArray()[0]
    return { projected: String(known?.['value'] ?? 0), alarm: (await storage.getAlarm()) !== null }
  })
}
