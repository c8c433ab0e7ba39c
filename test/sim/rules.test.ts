import { expect, test } from 'vitest'
import { actors, drained } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { Platform } from './platform.ts'
import { alike, rules, type Stage, type State } from './rules.ts'

let lives = 0

class Probe {
  readonly life = ++lives
  readonly state: State

  constructor(state: State) {
    this.state = state
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS probes (n INTEGER)')
  }

  perform = (work: (probe: Probe) => unknown) => work(this)
}

class Neighbour {
  advance = () => undefined
  placement = () => ({ shard: 'shard0', epoch: 1 })
  write = () => ({ kind: 'written', scrubbed: [] })
}

/** The simulation's actor, on a slow disk. */
class SimulatedStage implements Stage {
  readonly #world = new Platform(1)
  readonly #probe

  constructor() {
    nowRuns(this.#world)
    this.#world.weather = { ...this.#world.weather, diskMs: [20, 40], latencyMs: [1, 30] }
    Object.assign(this.#world.classes, { Probe, Neighbour })
    this.#probe = this.#world.host('Probe', 'acme/probe')
  }

  within<T>(work: (state: State) => T): Promise<T> {
    return this.#perform(({ state }) => work(state))
  }

  life = () => this.#perform((probe) => probe.life)

  async crash(): Promise<void> {
    this.#probe.endTurn()
    this.#probe.crash(0)
  }

  async sleep(): Promise<void> {
    this.#probe.sleep()
  }

  async sendAll(count: number): Promise<number[]> {
    const world = this.#world
    Object.assign(world.classes, await actors())
    const neighbour = namespace(world, 'Neighbour')
    const [CONVERSATION, GATEWAY] = [namespace(world, 'Conversation'), namespace(world, 'Gateway')]
    world.env = {
      ACTIVITY: neighbour,
      CONVERSATION,
      GATEWAY,
      INBOX: neighbour,
      INBOX_NOTES: neighbour,
      TENANT: neighbour,
      SHARD_WRITER: neighbour,
    }
    const conversation = stub(world, 'Conversation', `${tenant}/room`)
    const wanted = { tenant, id: 'room', type: 'group', name: 'Room', members: ['alice'], createdBy: 'alice' }
    await this.#come(Promise.resolve(conversation['create']?.(wanted)))
    const sends = Array.from({ length: count }, (_, n) => conversation['execute']?.(sending(n)))
    return (await this.#come(Promise.all(sends))).map(seqOf)
  }

  /** The work itself goes along, since a simulated actor lives in this very process. */
  #perform<T>(work: (probe: Probe) => T): Promise<T> {
    const answer = new Promise<T>((resolve, reject) => {
      let value: T
      const performed = (probe: Probe) => {
        value = work(probe)
        return value instanceof Promise ? value.then((late: T) => void (value = late)) : undefined
      }
      this.#probe.receive('perform', [performed], (outcome) => {
        if (outcome.kind === 'answered') resolve(value)
        else reject(new Error(outcome.why))
      })
    })
    return this.#come(answer)
  }

  async #come<T>(answer: Promise<T>): Promise<T> {
    let came = false
    const over = () => void (came = true)
    answer.then(over, over)
    await drained()
    this.#probe.endTurn()
    await this.#world.run(() => came, 10_000)
    return answer
  }
}

const sending = (n: number) => ({
  gateway: null,
  have: null,
  commands: [{ kind: 'send', user: 'alice', client: '', content: { clientId: `c${n}`, text: 'Hello' } }],
})

function seqOf(answer: unknown): number {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a conversation answers to one send
  const { results } = answer as { results: readonly { data: string }[] }
  const { seq }: { seq: number } = JSON.parse(results[0]?.data ?? '{"seq":0}')
  return seq
}

test.each(rules)('in the simulation $name', async ({ try: attempt, gives }) => {
  expect(alike(await attempt(new SimulatedStage()), gives)).toEqual(gives)
})
