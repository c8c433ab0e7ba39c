import { DurableObject } from 'cloudflare:workers'
import { MessageLimits } from '../../durable-objects/parts/message-limits.ts'
import worker from '../../src/index.ts'

export * from '../../src/index.ts'

/** An actor that decides as a gateway does, with the gateway's own part and the real limiters, but without sockets. */
export class Holder extends DurableObject {
  #limits
  #rate

  /** Decides for `ms` milliseconds in turns of `perTurn`, over `keys` users; tells what was allowed in which millisecond. */
  async run({ ms, perTurn, keys, prefix, perSecond, burst }) {
    this.#rate = { messagesPerSecond: perSecond, messagesBurst: burst }
    this.#limits ??= new MessageLimits(this.env, { get: async () => ({ record: { limits: this.#rate, version: 1 } }) })
    const users = Array.from({ length: keys }, (_, index) => `${prefix}${index}`)
    const clock = () => Date.now()
    const allowed = new Allowed()
    const waits = []
    const before = this.#asks()
    const begun = Date.now()
    let decisions = 0
    while (Date.now() - begun < ms) {
      const pending = []
      for (let i = 0; i < perTurn; i++) {
        const taken = this.#limits.take('bench', users[decisions++ % keys], 'none', clock)
        if (taken instanceof Promise) pending.push(taken.then((late) => allowed.note(late)))
        else allowed.note(taken)
      }
      const asked = Date.now()
      await Promise.all(pending)
      for (const _ of pending) waits.push(Date.now() - asked)
      // A Worker's clock stands still until it waits for something.
      await scheduler.wait(0)
    }
    const elapsedMs = Date.now() - begun
    return { decisions, moments: allowed.moments(), waits, elapsedMs, asks: this.#asks() - before }
  }

  #asks() {
    return this.#limits.stats().policies['messages']?.asks ?? 0
  }
}

/** How much was allowed in each millisecond, at little cost for many in the same one. */
class Allowed {
  #moments = new Map()
  #at = 0
  #count = 0

  note(taken) {
    if (taken.kind !== 'taken') return
    const at = taken.at ?? Date.now()
    if (at !== this.#at) this.#turn(at)
    this.#count++
  }

  moments() {
    this.#turn(0)
    this.#moments.delete(0)
    return Object.fromEntries(this.#moments)
  }

  #turn(at) {
    this.#moments.set(this.#at, (this.#moments.get(this.#at) ?? 0) + this.#count)
    this.#at = at
    this.#count = 0
  }
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/bench/run') return worker.fetch(request, env, ctx)
    const { holders, ...order } = await request.json()
    const runs = Array.from({ length: holders }, (_, index) => {
      const prefix = order.shared ? `shared${order.perSecond}-` : `of${index}-`
      return env.HOLDER.getByName(`bench-${index}`).run({ ...order, prefix })
    })
    return Response.json(await Promise.all(runs))
  },
}
