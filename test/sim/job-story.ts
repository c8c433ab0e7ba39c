import { toPhase, stateOf } from '../../src/jobs/model/phase.ts'
import { carrier, type CarrierWeather } from './carrier.ts'
import { JobChecks } from './job-checks.ts'
import { JobLedger, queueName } from './job-ledger.ts'
import { Producer } from './producer.ts'
import { Setting, type Day, type Ending as SettingEnding } from './setting.ts'
import { easyWork, Work, type WorkWeather } from './work.ts'

/** What a story about jobs is about, beside its seed. */
export interface JobPlot extends Day {
  /** How often something is asked of the queue. */
  readonly wishes: number
  readonly work: WorkWeather
  readonly carrier: CarrierWeather
  /** The only actors that die, if not any may: ledgers, or visitors. */
  readonly only?: 'JobQueue' | 'JobWorker'
}

export interface JobEnding extends SettingEnding {
  readonly jobs: number
  readonly runs: number
  readonly done: number
  readonly dead: number
}

const calmsWithinMs = 900_000
const goodCarrier: CarrierWeather = { refuses: 0, loses: 0, duplicates: 0, late: 0 }
const vars = { QSTASH_TOKEN: 'token', QSTASH_CURRENT_SIGNING_KEY: 'current', QSTASH_NEXT_SIGNING_KEY: 'next' }

/** Jobs are enqueued and worked off while everything fails; then it stops failing, and all promises are looked at. */
export async function tellOfJobs(seed: number, plot: JobPlot): Promise<JobEnding> {
  let weather = plot.carrier
  const handlers: { handle?: Work['handle'] } = {}
  const HANDLE: Work['handle'] = (...given) => handlers.handle?.(...given) ?? Promise.reject(new Error('no handlers'))
  const neighbours = (world: Setting['world']) => ({ Outside: carrier(world, () => weather) })
  const setting = await Setting.of(seed, plot, neighbours, { ...vars, PUBLIC_URL: 'https://parley.test', HANDLE })
  const story = new JobStory(setting, plot)
  handlers.handle = story.work.handle
  try {
    await story.happen()
    weather = goodCarrier
    return await story.end()
  } finally {
    setting.close()
  }
}

class JobStory {
  readonly work: Work
  readonly #setting: Setting
  readonly #plot: JobPlot
  readonly #ledger: JobLedger
  readonly #producer: Producer

  constructor(setting: Setting, plot: JobPlot) {
    this.#setting = setting
    this.#plot = plot
    this.#ledger = new JobLedger(setting.world)
    this.#producer = new Producer(setting.world, this.#ledger)
    this.work = new Work(setting.world, this.#ledger)
  }

  async happen(): Promise<void> {
    this.work.weather = this.#plot.work
    await this.#setting.happen(
      this.#plot.wishes,
      () => this.#want(),
      () => this.#fault(),
    )
  }

  async end(): Promise<JobEnding> {
    this.work.weather = easyWork
    this.#producer.redrive()
    const unsettled = await this.#setting.calmDown(() => this.#unsettled(), calmsWithinMs)
    const counted = await this.#setting.call('JobQueue', queueName, 'stats')
    const checks = new JobChecks(this.#ledger, this.#producer.wishes, this.work)
    const rows = this.#ledger.rows()
    const states = rows.map(({ phase }) => stateOf(toPhase(phase)))
    return {
      ...this.#setting.ending([...unsettled, ...checks.broken(counted)]),
      jobs: rows.length,
      runs: this.work.runs,
      done: states.filter((state) => state === 'done').length,
      dead: states.filter((state) => state === 'dead').length,
    }
  }

  #unsettled(): string[] {
    if (this.#producer.unsettled > 0) return ['a caller waits for an answer']
    return this.#ledger.open().map(({ id, phase, run }) => `${id} is ${stateOf(toPhase(phase))} after ${run} runs`)
  }

  #want(): void {
    const { chance } = this.#setting.world
    const kind = chance.below(12)
    if (kind === 0) this.#producer.cancel()
    else if (kind === 1) this.#producer.redrive()
    else this.#producer.enqueue()
  }

  #fault(): void {
    const { only } = this.#plot
    if (only === undefined) this.#setting.befall(() => this.#setting.lose('JobWorker'))
    else this.#setting.lose(only)
  }
}
