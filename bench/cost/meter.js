/**
 * The Worker with a meter on every actor: what Cloudflare would put on the bill is counted as it happens, in the one
 * isolate that all actors of a workerd process share, and read at `/bill`. Plain JavaScript, as the built Worker is.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

const bill = {
  calls: {},
  messages: 0,
  workerRequests: 0,
  rowsWritten: {},
  rowsRead: {},
  alarmsSet: {},
  bytes: {},
  awakeMs: {},
  heldMs: {},
  services: {},
}
const add = (account, name, count) => (account[name] = (account[name] ?? 0) + count)

/** The stay of the actor whose code runs. Timers and requests know no actor: this names theirs. */
const current = new AsyncLocalStorage()

/**
 * What keeps one actor in memory: its events, calls, timers and promises that are not settled. It is billed while there is
 * one. An actor that has none is not billed, also while it is still in memory.
 */
class Stay {
  #open = 0
  #since = 0

  static awake = new Set()

  constructor(actor) {
    this.actor = actor
  }

  /** Something holds the actor from now until the returned function is called. */
  hold(what) {
    const begun = Date.now()
    if (this.#open++ === 0) {
      this.#since = begun
      Stay.awake.add(this)
    }
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const now = Date.now()
      add(bill.heldMs, `${this.actor} ${what}`, now - begun)
      if (--this.#open > 0) return
      add(bill.awakeMs, this.actor, now - this.#since)
      Stay.awake.delete(this)
    }
  }

  /** Counts what an actor that is awake has been awake until now. */
  countSoFar(now) {
    add(bill.awakeMs, this.actor, now - this.#since)
    this.#since = now
  }

  /** Holds the actor until `result` is settled, where it is a promise. */
  until(what, result) {
    if (typeof result?.then !== 'function') return result
    const release = this.hold(what)
    result.then(release, release)
    return result
  }
}

/** Rows are known once a statement has run to its end, which it has when the turn is over. */
function meterStorage(actor, ctx) {
  const { storage } = ctx
  const { sql, kv } = storage
  const exec = sql.exec.bind(sql)
  sql.exec = (...statement) => {
    const cursor = exec(...statement)
    queueMicrotask(() => {
      add(bill.rowsWritten, actor, cursor.rowsWritten)
      add(bill.rowsRead, actor, cursor.rowsRead)
    })
    bill.bytes[`${actor} ${ctx.id}`] = sql.databaseSize
    return cursor
  }
  for (const [method, account] of [
    ['get', 'rowsRead'],
    ['put', 'rowsWritten'],
    ['delete', 'rowsWritten'],
  ]) {
    const original = kv[method].bind(kv)
    kv[method] = (...args) => {
      add(bill[account], actor, 1)
      return original(...args)
    }
  }
  const setAlarm = storage.setAlarm.bind(storage)
  storage.setAlarm = (...when) => {
    add(bill.alarmsSet, actor, 1)
    return setAlarm(...when)
  }
}

function meterWaitUntil(ctx, stay) {
  const waitUntil = ctx.waitUntil.bind(ctx)
  ctx.waitUntil = (promise) => waitUntil(stay.until('waitUntil', promise))
}

/** The bindings of an actor: a call to another actor holds it until the answer is there. */
function meterBindings(env, stay) {
  const stubOf = (binding, stub) =>
    new Proxy(stub, {
      get(target, method) {
        const value = target[method]
        if (typeof value !== 'function' || typeof method !== 'string') return value
        return (...args) => stay.until(`call ${binding}.${method}`, target[method](...args))
      },
    })
  const namespaceOf = (binding, namespace) =>
    new Proxy(namespace, {
      get(target, method) {
        if (method === 'getByName' || method === 'get') return (...args) => stubOf(binding, target[method](...args))
        const value = target[method]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      typeof value?.getByName === 'function' ? namespaceOf(name, value) : value,
    ]),
  )
}

/** Timers hold their actor until they ring or are cleared, those of `AbortSignal.timeout` and `scheduler.wait`, too. */
function meterTimers() {
  const releases = new Map()
  const release = (id) => {
    releases.get(id)?.()
    releases.delete(id)
  }
  const { setTimeout, setInterval, clearTimeout, clearInterval, fetch, scheduler } = globalThis
  globalThis.setTimeout = (work, ms, ...args) => {
    const stay = current.getStore()
    const id = setTimeout(() => {
      work(...args)
      release(id)
    }, ms)
    if (stay !== undefined) releases.set(id, stay.hold('timer'))
    return id
  }
  globalThis.setInterval = (...args) => {
    const id = setInterval(...args)
    const stay = current.getStore()
    if (stay !== undefined) releases.set(id, stay.hold('interval'))
    return id
  }
  globalThis.clearTimeout = (id) => {
    release(id)
    clearTimeout(id)
  }
  globalThis.clearInterval = (id) => {
    release(id)
    clearInterval(id)
  }
  const wait = scheduler.wait.bind(scheduler)
  scheduler.wait = (...args) => current.getStore()?.until('wait', wait(...args)) ?? wait(...args)
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  AbortSignal.timeout = (ms) => {
    // The runtime's own timer of a signal cannot be cleared and holds the actor until it rings.
    const stay = current.getStore()
    if (stay !== undefined) setTimeout(stay.hold('AbortSignal.timeout'), ms)
    return timeout(ms)
  }
  globalThis.fetch = (input, init) => {
    add(bill.services, serviceOf(input, init), 1)
    const asked = fetch(input, init)
    return current.getStore()?.until('fetch', asked) ?? asked
  }
}
meterTimers()

/** Which service a request goes to, by how its client asks. */
function serviceOf(input, init) {
  const url = String(typeof input === 'object' && 'url' in input ? input.url : input)
  const headers = new Headers(init?.headers ?? (typeof input === 'object' ? input.headers : undefined))
  if (headers.has('neon-connection-string')) return 'Postgres'
  if (url.includes('/v2/')) return 'QStash'
  return headers.get('authorization')?.startsWith('Bearer ') === true ? 'Redis' : 'others'
}

/** What the runtime calls on an actor, but for the messages of its sockets, which are twenty to a call. */
const notCalls = new Set(['constructor', 'webSocketMessage', 'webSocketClose', 'webSocketError'])

/** The actor `Actor` with a meter on it. */
export function metered(name, Actor) {
  const stays = new WeakMap()
  const Metered = class extends Actor {
    // oxlint-disable-next-line eslint/constructor-super, eslint/no-this-before-super -- called within `current.run`
    constructor(ctx, env) {
      const stay = new Stay(name)
      meterStorage(name, ctx)
      meterWaitUntil(ctx, stay)
      current.run(stay, () => super(ctx, meterBindings(env, stay)))
      // oxlint-disable-next-line eslint/no-this-before-super -- called by then
      stays.set(this, stay)
    }
  }
  for (const method of Object.getOwnPropertyNames(Actor.prototype)) {
    const { value } = Object.getOwnPropertyDescriptor(Actor.prototype, method)
    if (typeof value !== 'function' || method === 'constructor') continue
    Metered.prototype[method] = function (...args) {
      const stay = stays.get(this)
      // One method of the actor calls another: no call from outside.
      if (stay === undefined || current.getStore() === stay) return value.apply(this, args)
      if (method === 'webSocketMessage') bill.messages++
      if (!notCalls.has(method)) add(bill.calls, `${name}.${method}`, 1)
      const release = stay.hold(method)
      try {
        const result = current.run(stay, () => value.apply(this, args))
        if (typeof result?.then === 'function') result.then(release, release)
        else release()
        return result
      } catch (thrown) {
        release()
        throw thrown
      }
    }
  }
  return Metered
}

/** Starts the scheduled tasks of a cron expression, as the clock does. */
async function ring(worker, cron, env, ctx) {
  await worker.scheduled({ cron, scheduledTime: Date.now() }, env, ctx)
  return new Response()
}

/** The Worker `worker` with the bill at `/bill`, and its clock at `/ring`. */
export const withBill = (worker) => ({
  ...worker,
  fetch(request, env, ctx) {
    const url = new URL(request.url)
    if (url.pathname === '/bill') {
      const now = Date.now()
      for (const stay of Stay.awake) stay.countSoFar(now)
      return Response.json(bill)
    }
    bill.workerRequests++
    if (url.pathname === '/ring') return ring(worker, url.searchParams.get('cron'), env, ctx)
    return worker.fetch(request, env, ctx)
  },
})
