import { z } from 'zod'
import type { EventView } from './event-view.ts'
import { stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'

const pulled = z.object({
  lease: z.string().nullable(),
  events: z.array(z.object({ id: z.string(), event: z.string() })),
})
const withOffset = z.object({ offset: z.number() })

const leaseMs = 3000

/** A consumer that pulls its events, fails at some, and sometimes takes longer than its lease. */
export class Puller {
  /** Probability that an event fails, and that a batch takes longer than its lease. */
  fails = 0
  dawdles = 0
  readonly #world: Platform
  readonly #view: EventView

  constructor(world: Platform, view: EventView) {
    this.#world = world
    this.#view = view
  }

  async run(): Promise<never> {
    for (;;) {
      await this.#once().catch(() => undefined)
      await this.#pause(this.#world.chance.between(20, 200))
    }
  }

  async #once(): Promise<void> {
    const { chance } = this.#world
    const { lease, events } = pulled.parse(await this.#ask('pull', 5, leaseMs, 500))
    const failed: { offset: number; reason: string; delayMs: number | undefined }[] = []
    const done: number[] = []
    for (const { id, event } of events) {
      const { offset } = withOffset.parse(JSON.parse(event))
      if (chance.happens(this.fails)) failed.push({ offset, reason: 'not now', delayMs: 200 })
      else {
        this.#view.take(id, event)
        done.push(offset)
      }
    }
    if (chance.happens(this.dawdles)) await this.#pause(leaseMs + 500)
    if (lease !== null) await this.#ask('settle', { lease, done, failed })
  }

  async #ask(method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#world, 'EventConsumer', `${tenant}/${this.#view.consumer}`)[method]?.(...given)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((over) => this.#world.after(ms, over))
  }
}
