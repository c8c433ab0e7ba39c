import { createHash, createHmac } from 'node:crypto'
import { z } from 'zod'
import { lives, platform } from './lives.ts'
import { stub } from './namespace.ts'
import { SocketPair, UpgradeResponse } from './sockets.ts'
import { loadActors, loadEventActors, type ActorClass, type Globals } from './worker-code.ts'
import type { Life } from './world.ts'

/** Everything that can go on has: ticks come after all promises, and before anything from outside. */
export const drained = (): Promise<void> => new Promise((done) => process.nextTick(done))

interface Timer {
  cleared: boolean
  life: Life | undefined
}

function setTimer(happen: () => void, ms = 0): Timer {
  const life = lives.getStore()
  const timer: Timer = { cleared: false, life }
  if (life !== undefined) life.busy++
  platform().after(Math.max(0, ms), () => {
    if (timer.cleared) return
    clearTimer(timer)
    if (life === undefined) happen()
    else if (!life.dead) lives.run(life, happen)
  })
  return timer
}

function clearTimer(timer: Timer | undefined): void {
  if (timer === undefined || timer.cleared) return
  timer.cleared = true
  if (timer.life !== undefined) timer.life.busy--
}

class VirtualDate extends Date {
  constructor(...given: [] | [number | string | Date]) {
    super(given[0] ?? VirtualDate.now())
  }

  static override now(): number {
    return Math.floor(platform().now + (lives.getStore()?.host.skewMs ?? 0))
  }
}

/** HMAC-SHA-256, the one signature an actor checks, and SHA-256, in the same turn: elsewhere it would end when it likes. */
const subtle = {
  digest: async (_: string, data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest()).buffer,
  importKey: async (
    _: string,
    bytes: Uint8Array,
    { name, hash }: { name: string; hash: string | { name: string } },
    __: boolean,
    usages: string[],
  ) => ({
    [Symbol.toStringTag]: 'CryptoKey',
    type: 'secret',
    bytes,
    // By name where the engine's callers say it shortly.
    algorithm: { name, hash: typeof hash === 'string' ? { name: hash } : hash },
    usages,
  }),
  verify: async (_: unknown, key: { bytes: Uint8Array }, signature: Uint8Array, data: Uint8Array) =>
    createHmac('sha256', key.bytes).update(data).digest().equals(signature),
}

/**
 * Events and sagas sign what they post. On days of messages nothing is signed: ids of their conversations carry no check and were noted by
 * no edge, so that a gateway which could tell would refuse them.
 */
const signing = {
  ...subtle,
  sign: async (_: unknown, key: { bytes: Uint8Array }, data: Uint8Array) =>
    new Uint8Array(createHmac('sha256', key.bytes).update(data).digest()).buffer,
}

const fetched = z.object({ status: z.number(), body: z.string() })

/** An outside host is an actor of the story's own by the name of that host: calls to it are lost like all others. */
async function fetchOutside(url: string, { body = '' }: { readonly body?: string } = {}) {
  const { host, pathname } = new URL(url)
  const answer = fetched.parse(await stub(platform(), 'Outside', host)['answer']?.(pathname, body))
  const { status, body: text } = answer
  return {
    ok: status < 400,
    status,
    headers: new Headers(),
    text: async () => text,
    json: async () => JSON.parse(text),
  }
}

const say = (line: string) => platform().note(() => line)

const random = {
  randomUUID: () =>
    Array.from({ length: 4 }, () =>
      platform()
        .chance.below(2 ** 30)
        .toString(36),
    ).join('-'),
  getRandomValues: (bytes: Uint8Array) => bytes.map((_, n) => (bytes[n] = platform().chance.below(256))) && bytes,
}

/** What the simulated actors find in the global scope. */
export const globals: Globals = {
  Date: VirtualDate,
  Math: Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(Math),
      random: { value: () => platform().chance.next() },
    },
  ),
  setTimeout: setTimer,
  clearTimeout: clearTimer,
  scheduler: { wait: (ms: number) => new Promise<void>((done) => setTimer(done, ms)) },
  crypto: { subtle, ...random },
  fetch: fetchOutside,
  WebSocketPair: SocketPair,
  WebSocketRequestResponsePair: class {
    readonly request: string
    readonly response: string
    constructor(request: string, response: string) {
      this.request = request
      this.response = response
    }
  },
  Response: UpgradeResponse,
  console: { warn: say, error: say },
}

let loading: Promise<Readonly<Record<string, ActorClass>>> | undefined

/** The actors, bundled once. */
export const actors = (): Promise<Readonly<Record<string, ActorClass>>> => (loading ??= loadActors(globals))

let loadingEvents: Promise<Readonly<Record<string, ActorClass>>> | undefined

/** The actors of events and sagas, bundled once. */
export const eventActors = (): Promise<Readonly<Record<string, ActorClass>>> =>
  (loadingEvents ??= loadEventActors({ ...globals, crypto: { subtle: signing, ...random } }))
