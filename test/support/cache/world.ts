import { Cache, type CachePorts } from '../../../src/cache/cache.ts'
import { EpochLog, EpochReader, type Invalidations, type Stamp } from '../../../src/cache/epochs.ts'
import { usual, type CacheOptions } from '../../../src/cache/options.ts'

/** What happens in a simulated deployment, and how long its calls take, in milliseconds. */
export interface Step {
  readonly at: number
  readonly process: number
  readonly key: number
  readonly kind: 'read' | 'write' | 'remove' | 'evict' | 'restart'
  /** Durations of the calls that it makes, used in turn. */
  readonly delays: readonly number[]
  /** What becomes of its calls to the shared tier. */
  readonly shared: 'works' | 'loses' | 'garbage'
  /** Whether its calls to the log of invalidations fail. */
  readonly logFails: boolean
}

/** What the owner had when. */
interface Version {
  readonly number: number
  readonly value: string | undefined
  /** When its invalidation had returned, and to which process; Infinity before. */
  returnedAt: number
}

const options: CacheOptions<string> = {
  ...usual,
  name: 'test',
  ttlMs: 3000,
  staleMs: 2000,
  jitter: 0.5,
  beta: 1,
  negativeMs: 1500,
  waitMs: 400,
  tags: (key) => [`tag ${key}`],
  sizeOf: (value) => value.length,
  shared: { encode: (value) => value, decode: (text) => (/^\d+$/.test(text) ? text : undefined) },
}

interface Process {
  cache: Cache<string>
  reader: EpochReader
}

const sleep = (ms: number) => (ms === 0 ? Promise.resolve() : new Promise<void>((wake) => setTimeout(wake, ms)))

/** Processes with caches before one owner, one log of invalidations and one shared tier; time is that of fake timers. */
export class World {
  /** Reads that were answered with what they may not be answered with any more. */
  readonly faults: string[] = []
  readonly #log = new EpochLog('log')
  readonly #shared = new Map<string, string>()
  readonly #owner = new Map<string, Version[]>()
  readonly #processes: Process[]
  readonly #open: () => Process
  readonly #running: Promise<void>[] = []
  loads = 0

  constructor(processes: number, open: () => EpochReader = () => new EpochReader()) {
    this.#open = () => ({ cache: new Cache(options), reader: open() })
    this.#processes = Array.from({ length: processes }, this.#open)
  }

  /** Begins a step; `done` settles when all that began has ended. */
  begin(step: Step): void {
    this.#running.push(this.#take(step))
  }

  async done(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #take(step: Step): Promise<void> {
    const process = this.#processes[step.process]
    const key = `key ${step.key}`
    if (process === undefined) return
    if (step.kind === 'read') return await this.#read(process, key, step)
    if (step.kind === 'evict') return process.cache.drop(key)
    if (step.kind === 'restart') return void (this.#processes[step.process] = this.#open())
    await this.#write(process, key, step)
  }

  async #read({ cache, reader }: Process, key: string, step: Step): Promise<void> {
    const startedAt = Date.now()
    const oldest = this.#versions(key).findLast(({ returnedAt }) => returnedAt < startedAt - 1000)?.number ?? 0
    const delay = inTurn(step.delays)
    const load = async () => {
      this.loads++
      await sleep(delay())
      const { value } = this.#newest(key)
      await sleep(delay())
      return value
    }
    const read =
      cache.peek(key, reader.view, startedAt) ?? (await cache.read(key, load, this.#ports(reader, step, delay)))
    const allowed = this.#versions(key).filter(({ number }) => number >= oldest)
    if (!allowed.some(({ value }) => value === read))
      this.faults.push(`${key} at ${startedAt}: ${read}, after ${oldest} had been invalidated for a second`)
  }

  async #write({ cache, reader }: Process, key: string, step: Step): Promise<void> {
    const delay = inTurn(step.delays)
    await sleep(delay())
    const number = this.#newest(key).number + 1
    const version: Version = {
      number,
      value: step.kind === 'remove' ? undefined : String(number),
      returnedAt: Infinity,
    }
    this.#versions(key).push(version)
    await sleep(delay())
    if (step.logFails) return
    const askedAt = Date.now()
    const since = reader.view.stamp()
    this.#log.invalidate(options.tags(key), Date.now())
    const answer = this.#log.since(since)
    await sleep(delay())
    reader.view.note(answer, askedAt)
    cache.drop(key)
    version.returnedAt = Date.now()
  }

  #ports(reader: EpochReader, { shared, logFails }: Step, delay: () => number): CachePorts {
    const ask = async (since: Stamp | undefined): Promise<Invalidations> => {
      await sleep(delay())
      if (logFails) throw new Error('no answer')
      const answer = this.#log.since(since)
      await sleep(delay())
      return answer
    }
    return {
      now: () => Date.now(),
      random: () => 0.5,
      epochs: reader.view,
      askEpochs: () => Promise.race([reader.ask(ask, () => Date.now()), sleep(300)]),
      shared: {
        get: async (name) => {
          await sleep(delay())
          if (shared === 'loses') return undefined
          if (shared === 'garbage') return '{"until":"soon","took":[]}\n1'
          return this.#shared.get(name)
        },
        set: async (name, text) => {
          await sleep(delay())
          if (shared === 'works') this.#shared.set(name, text)
        },
      },
      background: (work) => void this.#running.push(work.then(nothing, nothing)),
    }
  }

  #versions(key: string): Version[] {
    const known = this.#owner.get(key) ?? [{ number: 0, value: '0', returnedAt: -Infinity }]
    this.#owner.set(key, known)
    return known
  }

  #newest(key: string): Version {
    const newest = this.#versions(key).at(-1)
    if (newest === undefined) throw new Error('an owner always has a state')
    return newest
  }
}

const nothing = () => undefined

function inTurn(delays: readonly number[]): () => number {
  let next = 0
  return () => delays[next++ % delays.length] ?? 0
}
