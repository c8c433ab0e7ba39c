import { describe, expect, onTestFinished, test } from 'vitest'
import { createParley, type Parley } from '../sdk/index.ts'
import { fields, text, type Fields } from '../sdk/parse.ts'
import { closes } from '../src/protocol/close-codes.ts'
import { sizes } from '../src/protocol/limits.ts'

const epoch = 'e1'
const message = (seq: number) => ({
  offset: seq,
  data: { type: 'message', id: `m${seq}`, clientId: `c${seq}`, user: 'bob', at: seq, text: `words ${seq}` },
})
const page = { history: { epoch, offset: 1, publications: [message(1)] } }

type Answer = (socket: Socket, command: Fields) => void

/** A server with one conversation that answers what it is asked, but pages of history only when told to. */
class World {
  readonly parley: Parley
  readonly heard: string[] = []
  /** Where the client turned to. */
  readonly addresses: string[] = []
  readonly #pages: (() => void)[] = []
  #socket: Socket | undefined

  constructor(url = 'http://parley.test') {
    const answer: Answer = (socket, command) => this.#answer(socket, command)
    const asked = (address: string) => void this.addresses.push(address)
    const websocket = class extends Socket {
      constructor(address: string) {
        super(answer)
        asked(address)
      }
    }
    const fetch: typeof globalThis.fetch = async (address) => {
      asked(address instanceof Request ? address.url : String(address))
      return Response.json({ conversations: [], next: null })
    }
    this.parley = createParley({ url, user: 'ann', token: 'any', websocket, fetch })
    onTestFinished(() => this.parley.close())
  }

  /** How many pages of history are asked for and not answered. */
  get asked(): number {
    return this.#pages.length
  }

  answerPages(): void {
    for (const answer of this.#pages.splice(0)) answer()
  }

  says(seq: number): void {
    this.#socket?.hears({ push: { channel: 'conversation:x', pub: message(seq) } })
  }

  #answer(socket: Socket, command: Fields): void {
    this.#socket = socket
    const { id } = command
    const kind = Object.keys(command).find((name) => name !== 'id') ?? ''
    this.heard.push(kind)
    if (kind === 'connect') socket.hears({ id, connect: { client: 'c', version: '1', data: { user: 'ann' } } })
    if (kind === 'subscribe') socket.hears({ id, subscribe: this.#subscribed(fields(command['subscribe'])) })
    if (kind === 'unsubscribe') socket.hears({ id, unsubscribe: {} })
    if (kind === 'presence') socket.hears({ id, presence: { presence: {} } })
    if (kind === 'history') this.#pages.push(() => socket.hears({ id, ...page }))
  }

  #subscribed({ recover }: Fields) {
    const data = { type: 'direct', name: '', last: 1, role: 'member', memberCount: 2, members: ['ann', 'bob'] }
    const recovery = recover === true ? { was_recovering: true, recovered: true } : {}
    return { recoverable: true, positioned: true, epoch, offset: 1, data, ...recovery }
  }
}

/** A WebSocket as a browser's, to a server in the same process. */
class Socket {
  readyState = 0
  onopen: (() => void) | undefined
  onmessage: ((event: { readonly data: string }) => void) | undefined
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | undefined
  readonly #answer: Answer

  constructor(answer: Answer) {
    this.#answer = answer
    queueMicrotask(() => {
      this.readyState = 1
      this.onopen?.()
    })
  }

  send(frame: string): void {
    if (frame.length > sizes.frameBytes) return this.close(closes.badRequest.code, closes.badRequest.reason)
    for (const line of frame.split('\n')) this.#answer(this, fields(JSON.parse(line)))
  }

  hears(reply: unknown): void {
    queueMicrotask(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(reply) }))
  }

  close(code = 1000, reason = ''): void {
    this.readyState = 3
    queueMicrotask(() => this.onclose?.({ code, reason: text(reason) }))
  }
}

describe('a conversation', () => {
  test('that was left before its first page came is listened to again when it is opened', async () => {
    const world = new World()
    const { parley } = world
    const conversation = parley.open('x')
    await expect.poll(() => world.asked).toBe(1)
    conversation.close()
    world.answerPages()
    await expect.poll(() => conversation.view.lines).toHaveLength(1)
    expect(conversation.view.status).toBe('closed')

    parley.open('x')
    await expect.poll(() => conversation.view.status).toBe('live')
    world.says(2)
    await expect.poll(() => conversation.view.lines).toHaveLength(2)
    expect(world.heard.filter((kind) => kind === 'subscribe')).toHaveLength(2)
  })
  test('does not lose its connection to a message that is too large for a frame', async () => {
    const { parley } = new World()
    await expect.poll(() => parley.connection.state.kind).toBe('online')
    const conversation = parley.open('x')
    conversation.send('x'.repeat(sizes.frameBytes))
    await expect.poll(() => conversation.view.lines.at(-1)).toMatchObject({ delivery: 'failed' })
    expect(conversation.view.lines.at(-1)).toMatchObject({ problem: { kind: 'tooLarge' } })
    await expect(conversation.edit(1, 'x'.repeat(sizes.frameBytes))).rejects.toMatchObject({ kind: 'tooLarge' })
    expect(parley.connection.state.kind).toBe('online')
  })
})

describe('a client', () => {
  test('finds its server whether the address ends with a slash or not', async () => {
    for (const url of ['http://parley.test', 'http://parley.test/']) {
      const { parley, addresses } = new World(url)
      await parley.conversations.list({ limit: 1 })
      expect(addresses).toContain('http://parley.test/v1/conversations?limit=1')
      await expect.poll(() => addresses).toContain('ws://parley.test/connection/websocket')
    }
  })
})
