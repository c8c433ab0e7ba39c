import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { connectAs } from '../support/worker/person.ts'
import { codec } from '../support/worker/sdk-codec.ts'
import { sayRaw, Streamed } from '../support/worker/streamed.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'
import { lively, namespace, published } from '../support/worker/topics.ts'

// Data is what was given: numbers, order of members, escapes and spaces of a customer's JSON come out as they went in.

/** Everything that reading and writing it once more would change. */
const odd = String.raw`{"id":12345678901234567890, "p":1.0,"x":1e400,"n":-0,"10":"a","9":"b","e":"\u00e9\/","__proto__":{"a":1}}`
const channel = 'news:a'

async function open(): Promise<TestTenant> {
  const tenant = await newTenant()
  await namespace(tenant, 'news', lively)
  return tenant
}

async function lineOf(tenant: TestTenant, user: string, format: 'json' | 'protobuf', token?: string): Promise<Line> {
  const line = await Line.open(undefined, '', format)
  const { connect, error } = await line.ask({ connect: { token: token ?? (await tenant.token(user)) } })
  if (connect === undefined) throw new Error(`not let in: ${JSON.stringify(error)}`)
  return line
}

async function listening(tenant: TestTenant, format: 'json' | 'protobuf', more: object = {}): Promise<Line> {
  const line = await lineOf(tenant, `listener-${format}`, format)
  const { error } = await line.ask({ subscribe: { channel, ...more } })
  if (error !== undefined) throw new Error(error.message)
  return line
}

/** Everything a JSON line heard, as text. */
const textOf = (line: Line) => line.raw.map(String).join('\n')

interface Said {
  readonly data?: Uint8Array
  readonly info?: { readonly conn_info?: Uint8Array; readonly chan_info?: Uint8Array }
}
interface Reply {
  readonly push?: { readonly pub?: Said }
  readonly subscribe?: { readonly publications?: readonly Said[] }
  readonly history?: { readonly publications?: readonly Said[] }
  readonly presence?: { readonly presence?: Readonly<Record<string, Said['info']>> }
}

const latin = new TextDecoder('latin1')
const utf8 = new TextEncoder()

/** Data of every publication that a Protobuf line heard, byte by byte. */
function bytesOf(line: Line): string[] {
  const replies = line.raw.flatMap((frame) => (typeof frame === 'string' ? [] : codec.decodeReplies(frame)))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the SDK's own form of a reply
  return (replies as readonly Reply[])
    .flatMap(({ push, subscribe, history }) => [
      ...(push?.pub === undefined ? [] : [push.pub]),
      ...(subscribe?.publications ?? []),
      ...(history?.publications ?? []),
    ])
    .map(({ data }) => latin.decode(data))
}

const asBytes = (text: string) => latin.decode(utf8.encode(text))

describe('data of a plain topic', () => {
  test('published by the server over HTTP reaches listeners, history and recovery as it was given', async () => {
    const tenant = await open()
    const json = await listening(tenant, 'json')
    const protobuf = await listening(tenant, 'protobuf')
    const commands = `{"commands":[{"publish":{"channel":"${channel}","data":${odd}}}]}`
    const says = [
      ['publish', `{"channel":"${channel}","data":${odd}}`],
      ['broadcast', `{"channels":["${channel}"],"data":${odd}}`],
      ['batch', commands],
      ['publish', `{"channel":"${channel}","b64data":"${btoa(odd)}"}`],
    ] as const
    for (const [method, raw] of says) succeeded(await call(`POST /api/${method}`, { as: tenant.key, raw }))
    const envelope = `{"method":"publish","params":{"channel":"${channel}","data":${odd}}}`
    succeeded(await call('POST /api', { as: tenant.key, raw: envelope }))
    for (const line of [json, protobuf])
      for (let n = 1; n <= 5; n++) expect((await published(line, channel)).offset).toBe(n)

    expect(textOf(json).split(`"data":${odd}`)).toHaveLength(6)
    expect(bytesOf(protobuf)).toEqual(Array.from({ length: 5 }, () => asBytes(odd)))

    const page = await call('POST /api/history', { as: tenant.key, body: { channel, limit: 10 } })
    expect(page.text.split(`"data":${odd}`)).toHaveLength(6)
    for (const format of ['json', 'protobuf'] as const) {
      const late = await lineOf(tenant, 'late', format)
      const epoch = page.text.match(/"epoch":"([^"]+)"/)![1]
      const back = await late.ask({ subscribe: { channel, recover: true, offset: 1, epoch } })
      expect(back.subscribe?.publications).toHaveLength(4)
      await late.ask({ history: { channel, limit: 10 } })
      const heard = format === 'json' ? textOf(late).split(`"data":${odd}`).slice(1) : bytesOf(late)
      expect(heard).toHaveLength(9)
      if (format === 'protobuf') expect(new Set(heard)).toEqual(new Set([asBytes(odd)]))
    }
  })

  test('published by a client reaches JSON and Protobuf listeners as it was given', async () => {
    const tenant = await open()
    const json = await listening(tenant, 'json')
    const protobuf = await listening(tenant, 'protobuf')
    json.sayRaw(`{"id":7,"publish":{"data":1,"channel":"news:a","d\\u0061ta": ${odd} }}`)
    expect((await json.replyTo(7)).publish).toEqual({})
    protobuf.sayRaw(codec.encodeCommands([{ id: 8, publish: { channel, data: utf8.encode(odd) } }]))
    for (const line of [json, protobuf]) for (let n = 1; n <= 2; n++) await published(line, channel)
    expect(textOf(json).split(`"data":${odd}`)).toHaveLength(3)
    expect(bytesOf(protobuf)).toEqual([asBytes(odd), asBytes(odd)])
  })

  test('published by a client without a WebSocket reaches listeners as it was given', async () => {
    const tenant = await open()
    const json = await listening(tenant, 'json')
    const lines = await Streamed.open('lines', { id: 1, connect: { token: await tenant.token('poster') } })
    const { session = '', node = '' } = (await lines.replyTo(1)).connect!
    await sayRaw({ session, node, way: 'lines' }, `{"id":2,"publish":{"channel":"${channel}","data":${odd}}}`)
    await published(json, channel)
    expect(textOf(json)).toContain(`"data":${odd}`)
    await lines.leave()
  })

  test.each([
    ['over several lines', '{\r\n\t"a": 1.0,\n\t"b": [ ]\r\n}\n', '{"a":1,"b":[]}'],
    ['with space around it', ' \t5 ', '5'],
  ])('that is JSON %s comes back byte by byte in Protobuf and on one line in JSON', async (_, given, meant) => {
    const tenant = await open()
    const json = await listening(tenant, 'json')
    const protobuf = await listening(tenant, 'protobuf')
    const data = utf8.encode(given)
    protobuf.sayRaw(codec.encodeCommands([{ id: 8, publish: { channel, data } }]))
    succeeded(await call('POST /api/publish', { as: tenant.key, body: { channel, b64data: btoa(given) } }))
    for (const line of [json, protobuf]) for (let n = 1; n <= 2; n++) await published(line, channel)
    expect(bytesOf(protobuf)).toEqual([given, given])
    const lines = textOf(json)
      .split('\n')
      .filter((line) => line.includes('"pub"'))
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(JSON.parse(line).push.pub.data).toEqual(JSON.parse(meant))
  })

  test('that is no JSON reaches Protobuf listeners as the bytes it was, and JSON listeners in base64', async () => {
    const tenant = await open()
    const json = await listening(tenant, 'json')
    const protobuf = await listening(tenant, 'protobuf')
    const given = ['boom', '\u0000\u00ff\u00fe{', '{"b64data":"Ym9vbQ=="}', '\ufeff{}']
    for (const text of given) {
      const data = text.startsWith('\ufeff') ? utf8.encode(text) : Uint8Array.from(text, (c) => c.charCodeAt(0))
      const sent = codec.encodeCommands([{ id: 8, publish: { channel, data } }])
      protobuf.sayRaw(sent)
      expect((await protobuf.replyTo(8)).error).toBeUndefined()
    }
    succeeded(await call('POST /api/publish', { as: tenant.key, body: { channel, b64data: btoa('boom') } }))
    for (const line of [json, protobuf]) for (let n = 1; n <= 5; n++) await published(line, channel)
    expect(bytesOf(protobuf)).toEqual([...given.slice(0, 3), asBytes('\ufeff{}'), 'boom'])
    const heard = textOf(json)
      .split('\n')
      .filter((line) => line.includes('"pub"'))
    expect(heard.map((line) => JSON.parse(line).push.pub.data)).toEqual([
      { b64data: 'Ym9vbQ==' },
      { b64data: 'AP/+ew==' },
      { b64data: 'Ym9vbQ==' },
      { b64data: '77u/e30=' },
      { b64data: 'Ym9vbQ==' },
    ])
  })

  test('with line breaks is one event to an EventSource', async () => {
    const tenant = await open()
    const { token } = succeeded(
      await call('POST /v1/tokens', { as: tenant.key, body: { user: 'reader', channels: [channel] } }),
    )
    const events = await Streamed.open('sse', { id: 1, connect: { token } })
    await events.replyTo(1)
    succeeded(await call('POST /api/publish', { as: tenant.key, raw: `{"channel":"${channel}","data":[\r1,\r\n2]}` }))
    const heard = await events.next('the publication', ({ push }) => push?.pub !== undefined)
    expect(heard.push?.pub?.data).toEqual([1, 2])
    await events.leave()
  })
})

describe('the data that tokens give a connection', () => {
  test('is shown in presence as the token has it', async () => {
    const tenant = await open()
    const raw = `{"user":"ann","info":${odd},"channels":["${channel}"]}`
    const { token } = succeeded(await call('POST /v1/tokens', { as: tenant.key, raw }))
    for (const format of ['json', 'protobuf'] as const) {
      const ann = await lineOf(tenant, 'ann', format, token)
      await ann.ask({ presence: { channel } })
      if (format === 'json') expect(textOf(ann)).toContain(`"conn_info":${odd}`)
      else {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the SDK's own form of a reply
        const replies = ann.raw.flatMap((frame) => codec.decodeReplies(frame as ArrayBuffer)) as readonly Reply[]
        const shown = Object.values(
          replies.findLast(({ presence }) => presence !== undefined && presence !== null)!.presence!.presence!,
        )
        expect(shown.map((info) => latin.decode(info?.conn_info))).toContain(asBytes(odd))
      }
      ann.close()
    }
    const seen = await call('POST /api/presence', { as: tenant.key, body: { channel } })
    expect([200, seen.text]).toEqual([seen.status, expect.any(String)])
  })

  test("and of a server's subscribe is passed on as it was given", async () => {
    const tenant = await open()
    const ann = await lineOf(tenant, 'ann', 'json')
    const raw = `{"user":"ann","channel":"${channel}","info":${odd},"data":${odd}}`
    succeeded(await call('POST /api/subscribe', { as: tenant.key, raw }))
    await ann.next('the subscription', ({ push }) => push?.channel === channel)
    await ann.ask({ presence: { channel } })
    expect(textOf(ann)).toContain(`"data":${odd}`)
    expect(textOf(ann)).toContain(`"chan_info":${odd}`)
  })
})

describe('data of a message', () => {
  test('reaches members, recovery and history as it was given, also of an edited message', async () => {
    const tenant = await open()
    const lunch = await tenant.group('ann', 'bob')
    const ann = await connectAs(tenant, 'ann')
    const bob = await connectAs(tenant, 'bob')
    await bob.subscribe(lunch)
    const content = (clientId: string) => `"clientId":"${clientId}","text":"hi","data":${odd}`
    ann.line.sayRaw(`{"id":91,"rpc":{"method":"message.send","data":{"conversation":"${lunch}",${content('a')}}}}`)
    expect((await ann.line.replyTo(91)).error).toBeUndefined()
    ann.line.sayRaw(`{"id":92,"publish":{"channel":"conversation:${lunch}","data":{${content('b')}}}}`)
    expect((await ann.line.replyTo(92)).error).toBeUndefined()
    const path = `/v1/conversations/${lunch}/messages`
    succeeded(await call(`POST ${path}`, { as: tenant.key, raw: `{"user":"ann",${content('c')}}` }))
    const spaced = odd.replace(', "p"', ',\n\t"p"')
    succeeded(
      await call(`POST ${path}`, { as: tenant.key, raw: `{"user":"ann","clientId":"d","text":"hi","data":${spaced}}` }),
    )
    for (let n = 1; n <= 4; n++) await bob.hears(lunch)
    expect(textOf(bob.line).split(`"data":${odd}`)).toHaveLength(4)
    expect(textOf(bob.line)).toContain(`"data":${spaced.replaceAll(/\s/g, ' ')}`)

    succeeded(await call(`PATCH ${path}/1`, { as: await tenant.token('ann'), body: { text: 'edited' } }))
    const page = await call(`GET ${path}`, { as: await tenant.token('bob') })
    expect(page.text.split(`"data":${odd}`)).toHaveLength(4)
    const messages = page.body.messages.filter(({ type }) => type === 'message')
    expect(messages.map(({ text }) => text)).toEqual(['hi', 'hi', 'hi', 'edited'])
  })
})

test('a Protobuf command with data that is no JSON is refused where the server itself reads the data', async () => {
  const tenant = await open()
  const lunch = await tenant.group('ann')
  const line = await lineOf(tenant, 'ann', 'protobuf')
  const data = utf8.encode('boom')
  line.sayRaw(codec.encodeCommands([{ id: 5, rpc: { method: 'message.send', data } }]))
  expect((await line.replyTo(5)).error).toMatchObject({ code: 107 })
  line.sayRaw(codec.encodeCommands([{ id: 6, publish: { channel: `conversation:${lunch}`, data } }]))
  expect((await line.replyTo(6)).error).toMatchObject({ code: 107 })
})
