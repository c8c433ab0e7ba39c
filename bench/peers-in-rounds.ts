import { type mediumNames, withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'
import { Endpoint } from './sagas/endpoint.ts'

/** A system that is measured; `what` says how it runs and what it guarantees. */
interface MeasuredSide {
  readonly what: string
  readonly stop: () => Promise<void>
}

/** What a suite measures, side by side. */
interface Suite<S extends MeasuredSide> {
  readonly name: string
  readonly sides: Readonly<Record<string, (folder: string, processes: Processes, endpoint: Endpoint) => Promise<S>>>
  /** Sides that need a Redis, which is left out where there is none. */
  readonly onRedis: readonly string[]
  readonly yardstick: string
  readonly figures: Readonly<Record<string, Shown>>
  readonly measure: (side: S) => Promise<Found>
  /** What the conditions say besides the medium and the rounds. */
  readonly conditions: string
  readonly notes: readonly string[]
}

interface Options {
  readonly rounds: number
  readonly medium: (typeof mediumNames)[number]
  readonly side: readonly string[]
  readonly out?: string | undefined
}

/** Measures the sides in turn, round after round, each from an empty folder and with an endpoint of its own; prints and saves the table. */
export async function measureInRounds<S extends MeasuredSide>(suite: Suite<S>, options: Options): Promise<void> {
  const processes = new Processes()
  processes.endWithUs()
  const found = new Map<string, Found[]>()
  const about: Record<string, string> = {}
  const isHere = (name: string) => !suite.onRedis.includes(name) || onPath('redis-server')
  const missing = options.side.filter((name) => !isHere(name))
  const others: number[] = []
  for (let round = 1; round <= options.rounds; round++)
    for (const name of options.side.filter(isHere)) {
      const start = suite.sides[name]
      if (start === undefined) throw new Error(`side: there is no ${name}`)
      others.push(await busyCores())
      await withFolder(options.medium, async (folder) => {
        const endpoint = await Endpoint.open()
        const side = await start(folder, processes, endpoint)
        about[name] = side.what
        found.set(name, [...(found.get(name) ?? []), await suite.measure(side)])
        await side.stop()
        endpoint.close()
        await processes.stopAll()
      })
      console.error(`round ${round} of ${options.rounds}, ${name}: done`)
    }
  const comparison = {
    suite: suite.name,
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on ${options.medium}; ${suite.conditions}; ${inRounds(options.rounds)}`,
    othersCores: Math.max(0, ...others),
    sides: about,
    yardstick: suite.yardstick,
    lines: linesOf(suite.figures, found),
    notes: [
      ...suite.notes,
      ...missing.map((name) => `${name}: not measured, redis-server is not on the PATH (apt-get install redis-server)`),
    ],
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save(suite.name, options.out, { comparison, options })}`)
}
