import { DurableObject } from 'cloudflare:workers'
import { MessageSender } from '../../durable-objects/gateway/commands/message-sender.ts'
import worker from '../../src/index.ts'

export * from '../../src/index.ts'

/** An actor that decides as a gateway does, with the gateway's own part and the real limiters, but without sockets. */
export class Holder extends DurableObject {
  #messages
  #rate

  /** Decides for `ms` milliseconds in turns of `perBatch`, over `keys` users; tells what was allowed, and between which readings of the clock. */
  async run({ ms, perBatch, keys, prefix, perSecond, burst }) {
    this.#rate = { messagesPerSecond: perSecond, messagesBurst: burst }
    this.#messages ??= new MessageSender({
      env: this.env,
      tenants: {
        get: async () => ({
          record: { limits: this.#rate, version: 1, plan: '', shared: { plan: {}, system: {}, version: 0 } },
        }),
      },
      names: { hasConversation: () => true },
      clock: { now: () => Date.now() },
    })
    const senders = Array.from({ length: keys }, (_, index) => ({
      tenant: 'bench',
      user: `${prefix}${index}`,
      client: '',
    }))
    const allowed = []
    const waits = []
    const before = this.#asks()
    const begun = Date.now()
    let decisions = 0
    while (Date.now() - begun < ms) {
      const pending = []
      const turned = Date.now()
      let units = 0
      for (let i = 0; i < perBatch; i++) {
        const taken = this.#messages.take(senders[decisions++ % keys], 'none')
        if (taken instanceof Promise) pending.push(taken.then((late) => noteLate(allowed, late, turned)))
        else if (taken.kind === 'taken') units++
      }
      const asked = Date.now()
      await Promise.all(pending)
      for (const _ of pending) waits.push(Date.now() - asked)
      // A Worker's clock stands still until it waits for something.
      await scheduler.wait(0)
      if (units > 0) allowed.push({ from: turned, until: Date.now() + 1, units })
    }
    const elapsedMs = Date.now() - begun
    return { decisions, allowed, waits, elapsedMs, asks: this.#asks() - before }
  }

  #asks() {
    return this.#messages.stats().policies['messages']?.asks ?? 0
  }
}

/** What a limiter decided happened between its own reading of the clock and ours, of which each is up to a millisecond old. */
function noteLate(allowed, taken, turned) {
  if (taken.kind === 'taken') allowed.push({ from: taken.at ?? turned, until: Date.now() + 1, units: 1 })
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
