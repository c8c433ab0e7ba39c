import { array, assert, asyncProperty, constantFrom, nat, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MessageStore, UnsentMessage } from '../sdk/message-store.ts'
import type { Pages } from '../sdk/pages.ts'
import { UnsentMessages } from '../sdk/unsent-messages.ts'
import { Outbox } from '../sdk/outbox.ts'
import { ParleyError } from '../sdk/failure.ts'

/** A store of one device: what it has survives its pages. A page that ended changes it no more. */
class Device {
  readonly kept = new Map<string, UnsentMessage>()
  readonly living = new Set<string>()
  /** While set, the store refuses everything. */
  isFull = false
  #pages = 0

  open(server: Server): Page {
    return new Page(this, server, `page ${++this.#pages}`)
  }

  storeOf(page: string): MessageStore {
    const use = async <T>(what: () => T): Promise<T> => {
      if (!this.living.has(page)) return new Promise(() => {})
      if (this.isFull) throw new Error('QuotaExceededError')
      return what()
    }
    return {
      load: (user) => use(() => [...this.kept.values()].filter((one) => one.user === user)),
      put: (message) => use(() => void this.kept.set(message.clientId, message)),
      delete: (_user, clientId) => use(() => void this.kept.delete(clientId)),
    }
  }

  pagesOf(page: string): Pages {
    return {
      own: Promise.resolve(page),
      living: async () => new Set(this.living),
      alone: (work) => work(),
      leave: () => void this.living.delete(page),
    }
  }
}

/** A server that keeps a message once for each clientId, and whose answers may be lost. */
class Server {
  readonly log: string[] = []
  isReachable = false
  losesAnswers = false

  take(clientId: string): number {
    if (clientId.startsWith('refused')) throw new ParleyError('notAllowed', 'not a member', { code: 103 })
    if (!this.log.includes(clientId)) this.log.push(clientId)
    return this.log.indexOf(clientId) + 1
  }
}

/** One page with the outbox of a conversation, as `Conversation` has it. */
class Page {
  readonly unsent: UnsentMessages
  readonly outbox: Outbox
  readonly restored: UnsentMessage[] = []
  readonly problems: string[] = []
  readonly #device: Device
  readonly #id: string

  constructor(device: Device, server: Server, id: string) {
    this.#device = device
    this.#id = id
    device.living.add(id)
    this.unsent = new UnsentMessages({
      user: 'ann',
      store: device.storeOf(id),
      pages: device.pagesOf(id),
      restore: (_conversation, messages) => {
        this.restored.push(...messages)
        this.outbox.restore(messages.filter(({ refused }) => refused === undefined))
      },
    })
    this.unsent.problems.listen(({ message }) => this.problems.push(message))
    const dead = new Promise<never>(() => {})
    this.outbox = new Outbox({
      deliver: async (clientId) => {
        if (!this.isAlive) return dead
        if (!server.isReachable) throw new ParleyError('unreachable', 'offline')
        const seq = server.take(clientId)
        await Promise.resolve()
        if (!this.isAlive) return dead
        if (server.losesAnswers) throw new ParleyError('unreachable', 'the answer was lost')
        return { seq }
      },
      ready: () => this.unsent.ready,
      online: () => (server.isReachable && this.isAlive ? Promise.resolve() : dead),
      delivered: (clientId) => this.unsent.drop(clientId),
      stalled: (clientId, problem) => problem.temporary || this.unsent.refuse(clientId, problem),
      resent: () => undefined,
      pause: () => (server.losesAnswers ? dead : Promise.resolve()),
    })
  }

  get isAlive(): boolean {
    return this.#device.living.has(this.#id)
  }

  write(clientId: string, at: number): void {
    this.unsent.keep({ conversation: 'c', clientId, text: clientId, at })
    this.outbox.post({ clientId, text: clientId })
  }

  /** As a crash of the browser, or a reload. */
  end(): void {
    this.unsent.close()
    this.#device.living.delete(this.#id)
  }
}

const settled = async () => {
  for (let n = 0; n < 200; n++) await Promise.resolve()
}

describe('messages that the server does not have', () => {
  test('are sent by the next page in the order written, before what that page writes', async () => {
    const device = new Device()
    const server = new Server()
    const first = device.open(server)
    for (const [at, clientId] of ['a', 'b', 'c'].entries()) first.write(clientId, at)
    await settled()
    first.end()
    server.isReachable = true
    const second = device.open(server)
    second.write('d', 1)
    await settled()
    expect(server.log).toEqual(['a', 'b', 'c', 'd'])
    expect(device.kept.size).toBe(0)
    second.end()
  })

  test('are sent once although the page ended before the answer that one had arrived', async () => {
    const device = new Device()
    const server = new Server()
    server.isReachable = true
    server.losesAnswers = true
    const first = device.open(server)
    first.write('a', 1)
    await settled()
    expect(server.log).toEqual(['a'])
    first.end()
    server.losesAnswers = false
    const second = device.open(server)
    await settled()
    expect(second.restored.map(({ clientId }) => clientId)).toEqual(['a'])
    expect(server.log).toEqual(['a'])
    expect(device.kept.size).toBe(0)
    second.end()
  })

  test('stay with the page that writes them, as long as it lives', async () => {
    const device = new Device()
    const server = new Server()
    const [first, second] = [device.open(server), device.open(server)]
    first.write('a', 1)
    await settled()
    const third = device.open(server)
    await settled()
    expect([second.restored, third.restored]).toEqual([[], []])
    for (const page of [first, second, third]) page.end()
  })

  test('keep the reason why the server refused them, and are not sent again by themselves', async () => {
    const device = new Device()
    const server = new Server()
    server.isReachable = true
    const first = device.open(server)
    first.write('refused 1', 1)
    await settled()
    first.end()
    const second = device.open(server)
    await settled()
    expect(second.restored).toMatchObject([{ clientId: 'refused 1', refused: { kind: 'notAllowed', code: 103 } }])
    expect(second.outbox.empty).toBe(true)
    second.end()
  })

  test('are sent although the device refuses to keep them, and the page learns why they are not kept', async () => {
    const device = new Device()
    device.isFull = true
    const server = new Server()
    server.isReachable = true
    const page = device.open(server)
    page.write('a', 1)
    await settled()
    expect(server.log).toEqual(['a'])
    expect(page.problems.at(-1)).toContain('QuotaExceededError')
    expect(page.unsent.isVolatile).toBe(true)
    page.end()
  })

  test('are neither lost nor doubled, whichever pages write, lose the connection and end', async () => {
    const step = record({
      kind: constantFrom('write', 'write', 'open', 'end', 'connect', 'disconnect', 'lose-answers', 'settle'),
      pick: nat(2),
    })
    await assert(
      asyncProperty(array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const device = new Device()
        const server = new Server()
        const pages = [device.open(server)]
        const written: string[] = []
        for (const [at, { kind, pick }] of steps.entries()) {
          const page = pages[pick % Math.max(1, pages.length)]
          if (kind === 'open' && pages.length < 3) pages.push(device.open(server))
          if (kind === 'settle') await settled()
          if (kind === 'connect') [server.isReachable, server.losesAnswers] = [true, false]
          if (kind === 'disconnect') server.isReachable = false
          if (kind === 'lose-answers') server.losesAnswers = true
          if (kind === 'write' && page !== undefined) {
            page.write(`m${at}`, at)
            // The device has it: from here on it must not be lost.
            await settled()
            written.push(`m${at}`)
          }
          if (kind === 'end' && page !== undefined) {
            page.end()
            pages.splice(pages.indexOf(page), 1)
          }
        }
        for (const page of pages) page.end()
        ;[server.isReachable, server.losesAnswers] = [true, false]
        const last = device.open(server)
        await settled()
        last.end()
        expect([...server.log].sort()).toEqual([...written].sort())
        expect(device.kept.size).toBe(0)
      }),
      { numRuns: 200 },
    )
  })
})

test('a page that keeps nothing leaves as well when it ends, so that no lock keeps its process alive', async () => {
  const device = new Device()
  device.living.add('page')
  const unsent = new UnsentMessages({
    user: 'ann',
    store: undefined,
    pages: device.pagesOf('page'),
    restore: () => undefined,
  })
  unsent.close()
  await unsent.ready
  expect(device.living.size).toBe(0)
})
