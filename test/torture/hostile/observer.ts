import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person, type Listener } from '../../support/e2e/people.ts'
import { filesOf } from '../../support/e2e/processes.ts'
import type { System } from '../../support/e2e/system.ts'

/** One thing that a tenant did beside the attack: when it was due, by `performance.now()`, and how long it took. */
interface Sample {
  readonly at: number
  /** Infinity when it failed. */
  readonly ms: number
}

export interface Vitals {
  readonly megabytes: number
  readonly descriptors: number
}

const page = z.object({ messages: z.array(z.object({ seq: z.number(), clientId: z.string().nullish() })) })

/** Two users of another tenant who chat at a steady pace, and what they notice. Also watches the process. */
export class Observer {
  readonly #system: System
  readonly #alice: Person
  readonly #bob: Person
  readonly #group: string
  readonly #listener: Listener
  readonly #acknowledged: string[] = []
  readonly #heardAt = new Map<string, number>()
  readonly #pending = new Set<Promise<void>>()
  #going = true
  #work: Promise<unknown> = Promise.resolve()
  readonly samples: Sample[] = []
  readonly vitals: Vitals[] = []
  #said = 0

  private constructor(system: System, alice: Person, bob: Person, group: string, listener: Listener) {
    this.#system = system
    this.#alice = alice
    this.#bob = bob
    this.#group = group
    this.#listener = listener
  }

  static async in(system: System, name: string): Promise<Observer> {
    const [alice, bob] = [new Person(system, `alice-${name}`), new Person(system, `bob-${name}`)]
    const group = await makeGroup(system, [alice.name, bob.name])
    await Promise.all([alice.connect(), bob.connect()])
    return new Observer(system, alice, bob, group, await bob.listen(group).ready())
  }

  begin(): void {
    this.#listener.subscription.on('publication', ({ data }) => {
      const { clientId } = z.object({ clientId: z.string().optional() }).parse(data)
      if (clientId !== undefined) this.#heardAt.set(clientId, performance.now())
    })
    const token = this.#alice.token()
    this.#work = Promise.all([
      this.#steadily(50, (due) => this.#send(due)),
      this.#steadily(250, async (due) => {
        const path = `/v1/conversations/${this.#group}/messages?limit=10`
        const { status } = await call(this.#system, await token, 'GET', path)
        this.samples.push({ at: due, ms: status === 200 ? performance.now() - due : Infinity })
      }),
      this.#steadily(2000, async (due) => {
        // A user who arrives in the middle of it.
        const other = new Person(this.#system, `${this.#alice.name}-late`)
        try {
          await other.connect()
          this.samples.push({ at: due, ms: performance.now() - due })
        } finally {
          other.leave()
        }
      }),
      this.#steadily(200, async () => void this.vitals.push(vitalsOf(this.#system.workerPid))),
    ])
  }

  async end(): Promise<void> {
    this.#going = false
    await this.#work
    await Promise.race([Promise.all(this.#pending), pause(10_000)])
  }

  leave(): void {
    this.#alice.leave()
    this.#bob.leave()
  }

  get acknowledged(): number {
    return this.#acknowledged.length
  }

  /** Acknowledged messages that the history does not hold. */
  async lost(): Promise<string[]> {
    const there = new Set<string>()
    for (let before = 2 ** 40; before > 1;) {
      const path = `/v1/conversations/${this.#group}/messages?limit=100&before=${before}`
      const { messages } = page.parse((await call(this.#system, apiKey, 'GET', path)).body)
      for (const { clientId } of messages) if (clientId) there.add(clientId)
      before = messages.length === 0 ? 1 : Math.min(...messages.map(({ seq }) => seq))
    }
    return this.#acknowledged.filter((clientId) => !there.has(clientId))
  }

  /** From the moment it was due until the other user has heard it, and the answer is there. */
  async #send(due: number): Promise<void> {
    const clientId = `m-${++this.#said}`
    const sample = { at: due, ms: Infinity }
    this.samples.push(sample)
    await this.#alice.send(this.#group, clientId, 'as on any day')
    this.#acknowledged.push(clientId)
    const answered = performance.now()
    while (!this.#heardAt.has(clientId)) {
      if (performance.now() - due > 10_000) return
      await pause(5)
    }
    sample.ms = Math.max(answered, this.#heardAt.get(clientId) ?? Infinity) - due
  }

  /** Does something at a steady pace, whether or not what came before is done; a failure is a sample without an end. */
  async #steadily(everyMs: number, step: (due: number) => Promise<void>): Promise<void> {
    let due = performance.now()
    while (this.#going) {
      await pause(Math.max(0, due - performance.now()))
      const at = due
      due += everyMs
      const done = step(at).catch(() => void this.samples.push({ at, ms: Infinity }))
      this.#pending.add(done)
      void done.finally(() => this.#pending.delete(done))
    }
  }
}

export function vitalsOf(pid: number): Vitals {
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  return { megabytes: kilobytes / 1024, descriptors: filesOf(pid) }
}

/** The value that a share of the samples does not exceed. */
export function quantile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
