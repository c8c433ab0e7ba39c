import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isPing, Line } from '../support/worker/line.ts'
import { Person } from '../support/worker/person.ts'
import { codec, encodeCommands } from '../support/worker/sdk-codec.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())
const later = (ms: number) => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

async function enter(line: Line, user = 'alice'): Promise<Person> {
  const tenant = await newTenant()
  const { connect } = await line.ask({ connect: { token: await tenant.token(user) } })
  return new Person(line, user, connect!)
}

const upgrade = async (query: string, subprotocol?: string) => {
  const headers = { upgrade: 'websocket', ...(subprotocol && { 'sec-websocket-protocol': subprotocol }) }
  const answer = await env.GATEWAY.getByName('formats/0').fetch(`http://parley/connection/websocket${query}`, {
    headers,
  })
  const socket = answer.webSocket!
  socket.binaryType = 'arraybuffer'
  socket.accept()
  return { socket, echoed: answer.headers.get('sec-websocket-protocol') }
}

/** The first frame after a ping command in either format; its type tells which one is spoken. */
async function formatOf(socket: WebSocket): Promise<string> {
  const token = await (await newTenant()).token('alice')
  const heard = new Promise<unknown>((resolve) => socket.addEventListener('message', ({ data }) => resolve(data)))
  const ended = new Promise<string>((resolve) =>
    socket.addEventListener('close', ({ code }) => resolve(`close ${code}`)),
  )
  socket.send(encodeCommands([{ id: 1, connect: { token } }]))
  return await Promise.race([heard.then((data) => (typeof data === 'string' ? 'json' : 'protobuf')), ended])
}

describe('a client says by the way it comes what it speaks', () => {
  test.each<readonly [string, string | undefined, string | null, string]>([
    ['', 'centrifuge-protobuf', 'centrifuge-protobuf', 'protobuf'],
    ['', 'chat, centrifuge-protobuf', 'centrifuge-protobuf', 'protobuf'],
    ['?format=protobuf', undefined, null, 'protobuf'],
    ['?cf_protocol=protobuf', undefined, null, 'protobuf'],
    ['?cf_protocol_version=v2&format=protobuf', undefined, null, 'protobuf'],
    ['', undefined, null, 'close 3501'],
    ['?format=json', undefined, null, 'close 3501'],
    ['', 'centrifuge-json', 'centrifuge-json', 'close 3501'],
    ['', 'chat', 'chat', 'close 3501'],
  ])('%s %s is echoed as %s and receives bytes: %s', async (query, subprotocol, echo, spoken) => {
    const { socket, echoed } = await upgrade(query, subprotocol)
    expect(echoed).toBe(echo)
    expect(await formatOf(socket)).toBe(spoken)
  })
})

const half = (frame: Uint8Array<ArrayBuffer>) => new Uint8Array(frame.subarray(0, frame.length / 2))

describe('a Protobuf connection', () => {
  test.each<readonly [string, string | Uint8Array<ArrayBuffer>]>([
    ['a text frame', '{"id":9,"ping":{}}'],
    ['an empty frame', new Uint8Array(0)],
    ['bytes that are no Protobuf', new Uint8Array(new TextEncoder().encode('{"id":9,"ping":{}}'))],
    ['half a command', half(encodeCommands([{ id: 9, subscribe: { channel: 'conversation:x' } }]))],
    ['a length without end', new Uint8Array(11).fill(0xff)],
    ['a length that promises gigabytes', new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x07, 1])],
    ['more than 64 KiB', encodeCommands([{ send: { data: 'x'.repeat(65_536) } }])],
    ['an unknown command', new Uint8Array([5, 0x08, 1, 0xfa, 1, 0])],
  ])('%s ends it', async (_, frame) => {
    const { line } = await enter(await Line.open(undefined, '', 'protobuf'))
    line.sayRaw(frame)
    expect(await line.closed()).toEqual({ code: 3501, reason: 'bad request' })
  })

  test('data that is no JSON is refused with words, and everything else goes on', async () => {
    const { line } = await enter(await Line.open(undefined, '', 'protobuf'))
    const data = new Uint8Array([0xde, 0xad])
    line.sayRaw(codec.encodeCommands([{ id: 70, rpc: { method: 'inbox.list', data } }, { send: { data } }]).slice())
    expect(await line.replyTo(70)).toMatchObject({
      error: { code: 107, message: expect.stringContaining('data: must be JSON text in UTF-8') },
    })
    expect(await line.ask({ rpc: { method: 'inbox.list', data: {} } })).toMatchObject({ rpc: { data: {} } })
  })

  test('is pinged, and one that answers is known to be there, also over sleep', async () => {
    const gateway = 'binary-pings/0'
    const actor = env.GATEWAY.getByName(gateway)
    const { line, welcome } = await enter(await Line.open(gateway, '', 'protobuf'))
    expect(welcome).toMatchObject({ ping: 25, pong: true })
    for (let beat = 1; beat <= 4; beat++) {
      later(25_000)
      await runDurableObjectAlarm(actor)
      await line.next('a ping', isPing)
      line.sayRaw(new Uint8Array([0]))
      await line.ask({ ping: {} })
      await putToSleep(actor)
    }
    for (let unanswered = 1; unanswered <= 2; unanswered++) {
      later(25_000)
      await runDurableObjectAlarm(actor)
    }
    expect(await line.closed()).toEqual({ code: 3012, reason: 'no pong' })
  })
})

describe('a client that pings with WebSocket frames', () => {
  test.each(['json', 'protobuf'] as const)('receives no pings, and silence is no reason to go: %s', async (format) => {
    const gateway = `own-pings-${format}/0`
    const actor = env.GATEWAY.getByName(gateway)
    const { line, welcome } = await enter(await Line.open(gateway, '?cf_ws_frame_ping_pong=true', format))
    expect([welcome.ping, welcome.pong]).toEqual([undefined, undefined])
    await putToSleep(actor)
    later(600_000)
    await runDurableObjectAlarm(actor)
    expect(await line.rest()).toEqual([])
    expect(line.frames.flat().filter(isPing)).toEqual([])
  })
})

describe('a conversation with clients of both formats', () => {
  test('every client receives the same, each in its own format', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const people = await Promise.all(
      (['json', 'protobuf', 'protobuf'] as const).map(async (format, n) => {
        const line = await Line.open('mixed/0', '', format)
        const user = n === 0 ? 'alice' : 'bob'
        const { connect } = await line.ask({ connect: { token: await tenant.token(user) } })
        const person = new Person(line, user, connect!)
        await person.subscribe(lunch, { join_leave: true })
        return person
      }),
    )
    for (const text of ['one', 'zwei – ü', '\u0041\u{1F35C}']) await people[0]!.send(lunch, text)
    const heard = await Promise.all(
      people.map(async (person) => [await person.hears(lunch), await person.hears(lunch), await person.hears(lunch)]),
    )
    expect(heard[1]).toEqual(heard[0])
    expect(heard[2]).toEqual(heard[0])
    expect(heard[0]!.map(({ data }) => data['text'])).toEqual(['one', 'zwei – ü', 'A\u{1F35C}'])
  })
})
