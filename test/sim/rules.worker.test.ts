import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { alike, rules, type Stage, type State } from './rules.ts'

const lives = new WeakMap<object, number>()
let lastLife = 0

/** An actor of the real runtime; which class it is does not matter to the rules. */
class RealStage implements Stage {
  readonly #name = `rules-${crypto.randomUUID()}`

  /** A stub that has seen its actor die is of no more use. */
  get #stub() {
    return env.PLATFORM.getByName(this.#name)
  }

  within<T>(work: (state: State) => T): Promise<T> {
    return runInDurableObject(this.#stub, (_, state) => {
      state.storage.sql.exec('CREATE TABLE IF NOT EXISTS probes (n INTEGER)')
      return work(state)
    })
  }

  async crash(): Promise<void> {
    await abortAllDurableObjects()
  }

  async sleep(): Promise<void> {
    await putToSleep(this.#stub)
  }

  life(): Promise<number> {
    return runInDurableObject(this.#stub, (instance) => {
      const known = lives.get(instance) ?? ++lastLife
      lives.set(instance, known)
      return known
    })
  }

  async sendAll(count: number): Promise<number[]> {
    const tenant = await newTenant()
    const stub = tenant.actorOf(await tenant.group('alice'))
    const answers = await Promise.all(
      Array.from({ length: count }, (_, n) => {
        const content = { clientId: `c${n}`, text: 'Hello' }
        return stub.execute({
          gateway: null,
          have: null,
          commands: [{ kind: 'send', user: 'alice', client: '', content }],
        })
      }),
    )
    return answers.map(({ results: [result] }) => {
      if (result?.kind !== 'done') throw new Error(`refused: ${JSON.stringify(result)}`)
      const { seq }: { seq: number } = JSON.parse(result.data)
      return seq
    })
  }
}

test.each(rules)('in the real runtime $name', async ({ try: attempt, gives }) => {
  expect(alike(await attempt(new RealStage()), gives)).toEqual(gives)
})
