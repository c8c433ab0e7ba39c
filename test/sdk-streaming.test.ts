import { describe, expect, test } from 'vitest'
import { ParleyError } from '../sdk/failure.ts'
import { growingLines } from '../sdk/lines.ts'
import { MessageWriter, type StreamOptions } from '../sdk/message-writer.ts'
import { StreamingFeed } from '../sdk/streaming-feed.ts'
import { unknown, withEntries, type Known } from '../sdk/view.ts'
import { readEntry } from '../sdk/entries.ts'
import { sizes } from '../src/protocol/limits.ts'
import { TestConversation } from './support/conversation.ts'

/** A conversation behind HTTP: `trouble` is asked before and after each call whether the request, or its answer, is lost. */
class Server {
  readonly conversation = new TestConversation({ agent: 'member', bob: 'member' })
  trouble: (call: number) => 'lost' | 'unanswered' | 'refused' | undefined = () => undefined
  calls = 0

  post = async (path: string, body: object): Promise<unknown> => {
    const trouble = this.trouble(this.calls++)
    if (trouble === 'lost') throw new ParleyError('unreachable', 'lost')
    if (trouble === 'refused') throw new ParleyError('notAllowed', 'refused', { code: 403 })
    const [, clientId, verb = 'begin'] = /\/streaming(?:\/([^/]+)\/(\w+))?$/.exec(path) ?? []
    const { user, ...input }: { user?: string } = body
    const named = clientId === undefined ? input : { ...input, clientId }
    const answer = Object(this.conversation.run(`message.${verb}`, { user: user ?? '', server: true }, named))
    if (trouble === 'unanswered') throw new ParleyError('unreachable', 'no answer')
    if (answer.kind !== 'refused') return answer
    const kind = String(answer.error).startsWith('streaming') || answer.error === 'conflict' ? 'conflict' : 'tooLarge'
    throw new ParleyError(kind, answer.detail, { code: 409 })
  }

  writer = (options: StreamOptions = {}) =>
    new MessageWriter('lunch', this.post, { user: 'agent', rollUpMs: 0, ...options })

  get messages(): readonly { text: string; clientId: string; ended?: string }[] {
    return this.conversation.log.rows.map(({ data }) => JSON.parse(data))
  }
}

async function* words(count: number, between: (n: number) => void = () => undefined): AsyncGenerator<string> {
  for (let n = 0; n < count; n++) {
    await Promise.resolve()
    between(n)
    yield `word${n} `
  }
}

const text = (count: number) => Array.from({ length: count }, (_, n) => `word${n} `).join('')

describe('a message writer', () => {
  test('pipes what a model writes into one message, whatever requests and answers are lost, and the server crashes', async () => {
    const server = new Server()
    server.trouble = (call) => (call % 5 === 1 ? 'lost' : call % 5 === 3 ? 'unanswered' : undefined)
    const writer = server.writer({ clientId: 'one' })
    const crashing = words(200, (n) => void (n % 50 === 49 && server.conversation.crash()))
    expect(await writer.pipe(crashing)).toEqual({ seq: 1 })
    expect(server.messages).toMatchObject([{ clientId: 'one', text: text(200), user: 'agent' }])
    expect(server.messages[0]).not.toHaveProperty('ended')
  })

  test('takes a ReadableStream of text or of bytes, whose parts may end within a character', async () => {
    const server = new Server()
    const bytes = new TextEncoder().encode('über 😀\r\nLunch')
    const inBytes = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    await server.writer().pipe(inBytes)
    const inUnits = new ReadableStream<string>({
      start(controller) {
        for (const unit of 'über 😀\r\nLunch\u0000'.split('')) controller.enqueue(unit)
        controller.close()
      },
    })
    await server.writer().pipe(inUnits)
    expect(server.messages.map((message) => message.text)).toEqual(['über 😀\nLunch', 'über 😀\nLunch'])
  })

  test('ends the message with the text that it has when its source fails, and throws the error of the source', async () => {
    const server = new Server()
    const failing = words(5, (n) => {
      if (n === 4) throw new Error('the model is gone')
    })
    await expect(server.writer().pipe(failing)).rejects.toThrow('the model is gone')
    expect(server.messages).toMatchObject([{ ended: 'cancelled' }])
    expect(text(5).startsWith(server.messages[0]?.text ?? 'x')).toBe(true)
  })

  test('tells its author of a refusal, of a text that is too long, and of a message that was ended by others', async () => {
    const refusing = new Server()
    refusing.trouble = () => 'refused'
    await expect(refusing.writer().pipe(words(3))).rejects.toMatchObject({ kind: 'notAllowed' })
    const server = new Server()
    await expect(server.writer().pipe(words(4000))).rejects.toMatchObject({ kind: 'tooLarge' })
    expect(server.messages[0]?.text.length).toBeLessThanOrEqual(sizes.textBytes)
    const writer = server.writer({ clientId: 'two' })
    await writer.begin()
    await writer.write('half')
    await expect.poll(() => server.conversation.streaming.of('epoch')[0]?.text).toBe('half')
    server.conversation.run('message.cancel', { server: true }, { clientId: 'two', author: 'agent' })
    const more = async () => {
      await writer.write(' a sentence')
      await writer.complete()
    }
    await expect(more()).rejects.toMatchObject({ kind: 'conflict', message: 'the message has ended' })
  })

  test('goes on with a message that another process has begun, and leaves none without text', async () => {
    const server = new Server()
    const first = server.writer({ clientId: 'one' })
    await first.write(text(3))
    await expect.poll(() => server.conversation.streaming.of('epoch')[0]?.text).toBe(text(3))
    expect(await server.writer({ clientId: 'one' }).pipe(words(8))).toEqual({ seq: 1 })
    expect(server.messages).toMatchObject([{ text: text(8) }])
    expect(await server.writer().pipe(words(0))).toEqual({ seq: null })
    expect(server.messages).toHaveLength(1)
  })
})

describe('a client that follows a conversation', () => {
  /** A client that hears events when told to, and asks the conversation. */
  function reader(server: Server) {
    let known: Known = unknown('bob')
    let asked = 0
    const port = { known: () => known, change: (how: (before: Known) => Known) => void (known = how(known)) }
    const list = async () => {
      asked++
      return server.conversation.run('message.streaming', { user: 'bob' }, { from: 0 })
    }
    const feed = new StreamingFeed(port, { list, isSubscribed: () => true })
    const events = () =>
      server.conversation.streamed.splice(0).flatMap((event) => (event.kind === 'pub' ? event.data : []))
    return {
      feed,
      events,
      hear: (data: string) => feed.hear(JSON.parse(data)),
      lines: () => growingLines('bob', known.growing),
      follow: () =>
        port.change((before) =>
          withEntries(
            before,
            server.conversation.log.rows.map(({ seq, data }) => ({ seq, entry: readEntry(JSON.parse(data)) })),
          ),
        ),
      asked: () => asked,
    }
  }

  test('that comes in the middle reads the text whole, and goes on with the events that came meanwhile', async () => {
    const server = new Server()
    const { conversation } = server
    const device = reader(server)
    const agent = (verb: string, input: object) =>
      conversation.run(`message.${verb}`, { user: 'agent' }, { clientId: 'one', ...input })
    agent('begin', {})
    agent('append', { offset: 0, text: 'Lunch' })
    device.events()
    device.feed.subscribed({ streaming: true })
    conversation.pass(100)
    agent('append', { offset: 5, text: ' at one?' })
    for (const event of device.events()) expect(device.hear(event)).toBe(true)
    await expect.poll(device.lines).toMatchObject([{ text: 'Lunch at one?', state: 'streaming', mine: false, seq: 0 }])
    expect(device.asked()).toBe(1)
    // Events that are lost are read again with the next one that arrives.
    conversation.pass(100)
    agent('append', { offset: 13, text: ' Or' })
    device.events()
    conversation.pass(100)
    agent('append', { offset: 16, text: ' two?' })
    for (const event of device.events()) device.hear(event)
    await expect.poll(device.lines).toMatchObject([{ text: 'Lunch at one? Or two?' }])
    agent('complete', {})
    device.follow()
    expect(device.lines()).toEqual([])
    device.feed.subscribed({})
    expect(device.hear('{"type":"typing","user":"agent"}')).toBe(false)
  })

  test('forgets a message that ended while it was away, and one that ended without text', async () => {
    const server = new Server()
    const { conversation } = server
    const device = reader(server)
    const agent = (verb: string, input: object) => conversation.run(`message.${verb}`, { user: 'agent' }, input)
    agent('begin', { clientId: 'one' })
    for (const event of device.events()) device.hear(event)
    expect(device.lines()).toHaveLength(1)
    agent('cancel', { clientId: 'one' })
    for (const event of device.events()) device.hear(event)
    expect(device.lines()).toEqual([])
    agent('begin', { clientId: 'two' })
    for (const event of device.events()) device.hear(event)
    agent('cancel', { clientId: 'two' })
    device.feed.subscribed({})
    expect(device.lines()).toEqual([])
  })
})
