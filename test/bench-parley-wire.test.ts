import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { z } from 'zod'
import { answered } from '../bench/load/acks.ts'
import { messageText, Tally } from '../bench/load/tally.ts'
import { parleyWire } from '../bench/targets/parley-wire.ts'

const closers: (() => void)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

const command = z.object({
  id: z.number().optional(),
  connect: z.object({ token: z.string() }).optional(),
  subscribe: z.object({ channel: z.string() }).optional(),
  rpc: z.object({ method: z.string(), data: z.object({ conversation: z.string(), text: z.string() }) }).optional(),
})

/** The few words of the wire that the load needs to hear, from a server that says only those. */
async function scriptedServer(onMessage: (socket: WebSocket, id: number, text: string) => void) {
  const http = createServer(answerHttp)
  const sockets = new WebSocketServer({ server: http, path: '/connection/websocket' })
  const pongs: string[] = []
  sockets.on('connection', (socket: WebSocket) => {
    socket.on('message', (data) => {
      const line = Buffer.isBuffer(data) ? data.toString() : ''
      const { id = 0, connect, subscribe, rpc } = command.parse(JSON.parse(line))
      if (connect !== undefined) say(socket, { id, connect: { client: connect.token, ping: 25, pong: true } })
      else if (subscribe !== undefined) say(socket, { id, subscribe: { channel: subscribe.channel } })
      else if (rpc !== undefined) onMessage(socket, id, rpc.data.text)
      else pongs.push(line)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  closers.push(
    () => sockets.clients.forEach((socket) => socket.terminate()),
    () => void http.close(),
  )
  const address = http.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const reach = { url: `ws://127.0.0.1:${port}/connection/websocket`, apiKey: 'demo-key', offerDeflate: false }
  return { reach, pongs }
}

function answerHttp({ url, headers }: IncomingMessage, response: ServerResponse): void {
  if (headers.authorization !== 'Bearer demo-key') response.writeHead(401).end()
  else if (url === '/v1/tokens') response.end('{"token":"t"}')
  else response.writeHead(201).end('{"id":"c1"}')
}

/** Several replies in one frame, as Parley merges them. */
function say(socket: WebSocket, ...replies: object[]): void {
  socket.send(replies.map((reply) => JSON.stringify(reply)).join('\n'))
}

const publication = (channel: string, text: string) => ({
  push: { channel, pub: { data: { type: 'message', text }, offset: 1 } },
})

test('an answer and several publications in one frame are distinguished and counted', async () => {
  const { reach, pongs } = await scriptedServer((socket, id, text) => {
    const received = publication('conversation:c1', text)
    const inInbox = publication('user:#ada', text)
    const other = publication('conversation:c1', messageText(2))
    say(socket, { id, rpc: { data: { seq: 1 } } }, received, inInbox, {}, other)
  })
  const conversation = await parleyWire.createConversation(reach, ['ada'])
  const member = await parleyWire.join(reach, conversation, 'ada', (reason) => expect.fail(reason))
  await answered((done) => member.send(messageText(1), done))

  const expected = new Tally()
  expected.add(1)
  expected.add(2)
  expect(member.received.agreesWith(expected)).toBe(true)
  await expect.poll(() => pongs).toEqual(['{}'])
  member.close()
})

test('a refused message is not an acknowledged one', async () => {
  const { reach } = await scriptedServer((socket, id) => say(socket, { id, error: { code: 111, message: 'too many' } }))
  const conversation = await parleyWire.createConversation(reach, ['ada'])
  const member = await parleyWire.join(reach, conversation, 'ada', (reason) => expect.fail(reason))
  await expect(answered((done) => member.send(messageText(1), done))).rejects.toThrow('111 too many')
  member.close()
})

test('a wrong key is named with what the server said', async () => {
  const { reach } = await scriptedServer(() => {})
  await expect(parleyWire.createConversation({ ...reach, apiKey: 'other' }, ['ada'])).rejects.toThrow('answered 401')
})
