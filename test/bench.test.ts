import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { encodeText, FrameReader } from '../bench/load/frames.ts'
import { RawSocket } from '../bench/load/raw-socket.ts'
import { Conversation } from '../bench/load/conversation.ts'
import { messageText, Tally } from '../bench/load/tally.ts'
import { readOptions } from '../bench/options.ts'
import { median, percentile, spread } from '../bench/statistics.ts'
import type { Member, Wire } from '../bench/targets/target.ts'

/** A reader that keeps what it finds. */
function reading() {
  const texts: string[] = []
  const pings: string[] = []
  const closes: [number, string][] = []
  const reader = new FrameReader({
    onText: (bytes, start, end) => void texts.push(bytes.toString('utf8', start, end)),
    onPing: (payload) => void pings.push(payload.toString()),
    onClose: (code, reason) => void closes.push([code, reason]),
  })
  return { reader, texts, pings, closes }
}

/** A frame as a server sends it: not masked. */
function serverFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = first
  head[1] = length < 65_536 ? 126 : 127
  if (length < 65_536) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]

test.each(sizes)('a text of %i bytes is read whole, however the chunks break', (size) => {
  const text = 'é'.repeat(size / 2) + (size % 2 === 1 ? '.' : '')
  const stream = Buffer.concat([serverFrame(0x81, Buffer.from(text)), serverFrame(0x81, Buffer.from('next'))])
  for (const chunk of [1, 3, 7, 1000, 65_536, stream.length]) {
    if (stream.length / chunk > 20_000) continue // byte by byte says nothing new about a long text
    const { reader, texts } = reading()
    for (let at = 0; at < stream.length; at += chunk) reader.feed(stream.subarray(at, at + chunk))
    expect(texts).toEqual([text, 'next'])
  }
})

test('a chunk may be overwritten after it was read', () => {
  const { reader, texts } = reading()
  const frame = serverFrame(0x81, Buffer.from('hello'))
  const shared = Buffer.from(frame.subarray(0, 4))
  reader.feed(shared)
  shared.fill(0)
  reader.feed(frame.subarray(4))
  expect(texts).toEqual(['hello'])
})

test('a message in several frames is put together, with a ping in between', () => {
  const { reader, texts, pings, closes } = reading()
  reader.feed(serverFrame(0x01, Buffer.from('one ')))
  reader.feed(serverFrame(0x89, Buffer.from('still there?')))
  reader.feed(serverFrame(0x00, Buffer.from('two ')))
  reader.feed(serverFrame(0x80, Buffer.from('three')))
  reader.feed(serverFrame(0x88, Buffer.concat([Buffer.from([0x0b, 0xb9]), Buffer.from('shutdown')])))
  expect({ texts, pings, closes }).toEqual({
    texts: ['one two three'],
    pings: ['still there?'],
    closes: [[3001, 'shutdown']],
  })
})

test('a client frame is masked, and its key undoes it', () => {
  const frame = encodeText('hello')
  expect(frame[0]).toBe(0x81)
  expect(frame[1]).toBe(0x80 | 5)
  const plain = frame.subarray(6).map((byte, i) => byte ^ (frame[2 + (i % 4)] ?? 0))
  expect(Buffer.from(plain).toString()).toBe('hello')
})

test.each([false, true])(
  'an independent server understands the socket, and is understood (compression: %s)',
  async (compress) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: compress && { threshold: 0 } })
    server.on('connection', (socket: WebSocket) => socket.on('message', (data) => socket.send(data, { binary: false })))
    await once(server, 'listening')
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0

    const sent = [...sizes, ...sizes].map((size) => 'x'.repeat(size))
    const received: string[] = []
    const all = Promise.withResolvers<void>()
    const dial = { url: new URL(`ws://127.0.0.1:${port}/`), offerDeflate: true }
    const socket = await RawSocket.open(dial, {
      onText(bytes, start, end) {
        received.push(bytes.toString('utf8', start, end))
        if (received.length === sent.length) all.resolve()
      },
      onLost: (reason) => all.reject(new Error(reason)),
    })
    for (const text of sent) socket.send(text)
    await all.promise
    expect(received).toEqual(sent)
    socket.close()
    server.close()
  },
)

test('a connection the server ends is reported, with its reason', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket: WebSocket) => socket.close(3008, 'slow'))
  await once(server, 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0

  const lost = Promise.withResolvers<string>()
  const url = new URL(`ws://127.0.0.1:${port}/`)
  await RawSocket.open({ url, offerDeflate: false }, { onText() {}, onLost: lost.resolve })
  expect(await lost.promise).toContain('3008 slow')
  server.close()
})

test('percentiles are by nearest rank, and do not depend on the order', () => {
  const values = [5, 1, 4, 2, 3]
  expect(percentile(values, 0.5)).toBe(3)
  expect(percentile(values, 0.99)).toBe(5)
  expect(percentile(values, 0)).toBe(1)
  expect(percentile([10, 9, 100], 0.5)).toBe(10) // by number, not by letters
  expect(percentile([], 0.5)).toBeNaN()
})

test('a median lies in the middle, and a spread says how far rounds lie apart', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(spread([30, 10, 20])).toEqual({ median: 20, min: 10, max: 30 })
})

/** A conversation in memory that delivers each message to everyone as often as `copies` says. */
function wireThatDelivers(copies: (n: number) => number): Wire {
  const tallies: Tally[] = []
  let sent = 0
  const send: Member['send'] = (text, done) => {
    sent += 1
    const bytes = Buffer.from(`{"text":"${text}"}`)
    for (const received of tallies) for (let i = 0; i < copies(sent); i++) received.receive(bytes, bytes.indexOf('~'))
    setImmediate(done)
  }
  return {
    createConversation: async () => 'conversation',
    async join() {
      const received = new Tally()
      tallies.push(received)
      return { received, send, close() {} }
    },
  }
}

async function roomAfterWriting(wire: Wire): Promise<Conversation> {
  const conversation = new Conversation(
    () => {},
    (reason) => expect.fail(reason),
  )
  await conversation.fill(wire, { url: '', apiKey: '', offerDeflate: false }, ['ada', 'grace', 'joan'])
  conversation.write(2, 4)
  await vi.waitFor(() => expect(conversation.deliveries).toBeGreaterThan(8 * 3), 10_000)
  conversation.stopWriting()
  await new Promise((resolve) => setTimeout(resolve, 20))
  return conversation
}

test('a conversation is complete when every subscriber received every acknowledged message once', async () => {
  const conversation = await roomAfterWriting(wireThatDelivers(() => 1))
  expect(conversation.complete).toBe(true)
  expect(conversation.deliveries).toBeGreaterThan(8 * 3)
})

test('a lost message is not made good by one received twice', async () => {
  const conversation = await roomAfterWriting(wireThatDelivers((n) => (n === 3 ? 0 : n === 4 ? 2 : 1)))
  expect(conversation.complete).toBe(false)
  expect(conversation.describe()).toContain('3 of 3 listeners received other messages')
})

test('a round ends when every writer was acknowledged once, and leaves the conversation complete', async () => {
  const conversation = new Conversation(
    () => {},
    (reason) => expect.fail(reason),
  )
  await conversation.fill(
    wireThatDelivers(() => 1),
    { url: '', apiKey: '', offerDeflate: false },
    ['ada', 'grace', 'joan'],
  )
  await conversation.writeOnce(2)
  expect([conversation.deliveries, conversation.complete]).toEqual([2 * 3, true])
  await conversation.writeOnce(2)
  expect([conversation.deliveries, conversation.complete]).toEqual([4 * 3, true])
})

test('the texts of all messages are as long as each other', () => {
  expect(new Set([1, 99, 123_456].map((n) => messageText(n).length)).size).toBe(1)
})

test('the command line is read, and a mistake in it is named', () => {
  expect(readOptions(['--target', 'bare,glued', '--seconds', '2', '--medium', 'both'])).toMatchObject({
    target: ['bare', 'glued'],
    seconds: 2,
    medium: ['disk', 'tmpfs'],
    rounds: 3,
  })
  expect(readOptions(['--help'])).toBeUndefined()
  expect(() => readOptions(['--target', 'other'])).toThrow(/target/)
})
