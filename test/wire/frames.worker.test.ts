import { describe, expect, test } from 'vitest'
import { connectAs } from '../support/worker/person.ts'
import { newTenant } from '../support/worker/tenant.ts'

describe('frames that cannot be read end the connection, and no other', () => {
  const tenant = newTenant()
  test.each([
    ['not JSON', 'hello'],
    ['not an object', '[1]'],
    ['an empty frame', ''],
    ['half an object', '{"id":9,"ping":{}'],
    ['a good line and a bad one', '{"id":9,"ping":{}}\nhello'],
    ['an unknown command', '{"id":9,"dance":{}}'],
    ['a command without an id', '{"ping":{}}'],
    ['an id that is none', '{"id":-1,"ping":{}}'],
    ['a field of the wrong kind', '{"id":9,"subscribe":{"channel":7}}'],
    ['more than 64 KiB', `{"id":9,"send":{"data":"${'x'.repeat(65_536)}"}}`],
  ])('%s', async (_, frame) => {
    const [mallory, alice] = [await connectAs(await tenant, 'mallory'), await connectAs(await tenant, 'alice')]
    mallory.line.sayRaw(frame)
    expect(await mallory.line.closed()).toEqual({ code: 3501, reason: 'bad request' })
    expect(await alice.line.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
  })

  test('a binary frame', async () => {
    const { line } = await connectAs(await tenant, 'mallory')
    line.sayRaw(new Uint8Array([0]).buffer)
    expect(await line.closed()).toMatchObject({ code: 3501 })
  })
})

describe('commands', () => {
  test('several in one frame are all answered, each success with its result object', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const { line } = await connectAs(tenant, 'alice')
    const channel = `conversation:${lunch}`
    const ids = line.say(
      { subscribe: { channel } },
      { publish: { channel, data: { clientId: 'a', text: 'Hello' } } },
      { rpc: { method: 'conversation.read', data: { conversation: lunch, seq: 1 } } },
      { history: { channel, limit: 1 } },
      { presence: { channel } },
      { presence_stats: { channel } },
      { unsubscribe: { channel } },
    )
    const replies = await Promise.all(ids.map((id) => line.replyTo(id)))
    const kinds = ['subscribe', 'publish', 'rpc', 'history', 'presence', 'presence_stats', 'unsubscribe']
    expect(replies.map((reply) => Object.keys(reply).find((field) => field !== 'id'))).toEqual(kinds)
    expect(replies[1]!.publish).toEqual({})
    expect(replies[6]!.unsubscribe).toEqual({})
  })

  test('an unsubscribe without a subscription succeeds', async () => {
    const { line } = await connectAs(await newTenant(), 'alice')
    expect(await line.ask({ unsubscribe: { channel: 'conversation:never' } })).toMatchObject({ unsubscribe: {} })
    expect(await line.ask({ unsubscribe: { channel: 'nonsense' } })).toMatchObject({ unsubscribe: {} })
  })

  test('a method that is not offered says so', async () => {
    const tenant = await newTenant()
    const channel = `conversation:${await tenant.group('alice')}`
    const { line } = await connectAs(tenant, 'alice')
    expect(await line.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
    expect(await line.ask({ sub_refresh: { channel } })).toMatchObject({ error: { code: 103 } })
    expect(await line.ask({ sub_refresh: { channel: 'user:#alice' } })).toMatchObject({ error: { code: 108 } })
    expect(await line.ask({ subscribe: { channel, type: 1 } })).toMatchObject({ error: { code: 108 } })
    expect(await line.ask({ publish: { channel, type: 1, data: {} } })).toMatchObject({ error: { code: 108 } })
    expect(await line.ask({ subscribe: { channel, tf: { key: 'a' } } })).toMatchObject({ error: { code: 107 } })
    expect(await line.ask({ rpc: { method: 'message.sing' } })).toMatchObject({ error: { code: 104 } })
    expect(await line.ask({ rpc: { method: 'constructor' } })).toMatchObject({ error: { code: 104 } })
  })

  test('a send that means nothing is passed over', async () => {
    const { line } = await connectAs(await newTenant(), 'alice')
    line.sayRaw('{"send":{"data":{"type":"dance"}}}')
    expect(await line.rest()).toEqual([])
  })

  test('unknown fields are ignored, as SDKs of later versions send them', async () => {
    const { line } = await connectAs(await newTenant(), 'alice')
    expect(await line.ask({ ping: {}, mood: 'sunny' })).toMatchObject({ error: { code: 108 } })
  })
})

describe('payloads', () => {
  const wrong: readonly [string, string, object, RegExp][] = [
    ['no text', 'message.send', { clientId: 'a' }, /text/],
    ['an empty text', 'message.send', { clientId: 'a', text: '  ' }, /text: must not be empty/],
    ['no clientId', 'message.send', { text: 'Hello' }, /clientId/],
    ['an unknown field', 'message.send', { clientId: 'a', text: 'Hello', colour: 'red' }, /colour/],
    ['too long a text', 'message.send', { clientId: 'a', text: 'é'.repeat(8193) }, /text: at most 16384 bytes/],
    ['half a character', 'message.send', { clientId: 'a', text: 'a\ud800' }, /text: must be well-formed/],
    ['a text that turns others around', 'message.send', { clientId: 'a', text: 'a\u202eb' }, /text: must be/],
    ['a seq that is none', 'message.edit', { seq: 0, text: 'x' }, /seq/],
    ['a negative read', 'conversation.read', { seq: -1 }, /seq/],
  ]
  test.each(wrong)('%s is refused by field and rule', async (_, method, data, words) => {
    const tenant = await newTenant()
    const alice = await connectAs(tenant, 'alice')
    const { error } = await alice.rpc(method, { conversation: await tenant.group('alice'), ...data })
    expect(error).toMatchObject({ code: 400, message: expect.stringMatching(words) })
  })

  test('data of any JSON within its bounds comes back as it was', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const alice = await connectAs(tenant, 'alice')
    await alice.subscribe(lunch)
    const data = { list: [1, 'two', null, true, { three: [[]] }], text: 'a\u0000b' }
    await alice.rpc('message.send', { conversation: lunch, clientId: 'a', text: 'Look', data })
    expect((await alice.hears(lunch)).data).toMatchObject({ data })
    const large = { text: 'x'.repeat(16_384) }
    const { error } = await alice.rpc('message.send', { conversation: lunch, clientId: 'b', text: 'Look', data: large })
    expect(error).toMatchObject({ code: 400, message: expect.stringMatching(/data: at most 16384 bytes/) })
  })

  test('data nested too deep is refused, not a crash', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice')
    const { line } = await connectAs(tenant, 'alice')
    const deep = `${'['.repeat(8000)}${']'.repeat(8000)}`
    line.sayRaw(
      `{"id":77,"rpc":{"method":"message.send","data":{"conversation":"${lunch}","clientId":"a","text":"a","data":${deep}}}}`,
    )
    const { error } = await line.replyTo(77)
    expect(error).toMatchObject({ code: 400, message: expect.stringMatching(/data: nested at most 32 levels deep/) })
  })
})
