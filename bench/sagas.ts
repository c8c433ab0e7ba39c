/** `npm run bench:sagas`: sagas of three steps beside a BullMQ flow and pg-boss, in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { perSecond } from './jobs/side.ts'
import { mediumNames, withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'
import { Endpoint } from './sagas/endpoint.ts'
import { startBoss, startFlow, startSagas } from './sagas/sides.ts'
import { stepsOfRun, type Side } from './sagas/side.ts'
import { percentile } from './statistics.ts'

const sides = { parley: startSagas, 'bullmq flow': startFlow, 'pg-boss': startBoss } as const
const sideNames = ['parley', 'bullmq flow', 'pg-boss'] as const

const options = commandLine(
  flagsOf(
    z.object({
      runs: count(3000),
      lanes: count(32),
      samples: count(30),
      rounds,
      medium: z.enum(mediumNames).default('disk'),
      side: someOf(sideNames),
      out: z.string().optional(),
    }),
  ),
)

const figures: Readonly<Record<string, Shown>> = {
  'sagas of three steps: steps/s': { better: 'higher', digits: 0, drawn: true },
  'start to first step, idle: p50 ms': { better: 'lower', digits: 2, drawn: true },
  'start to first step, idle: p99 ms': { better: 'lower', digits: 2 },
}

async function main(): Promise<void> {
  const processes = new Processes()
  processes.endWithUs()
  const found = new Map<string, Found[]>()
  const about: Record<string, string> = {}
  const notes = [
    'steps of Parley may be compensated, asked about and repeated by rules; those of the others are jobs only',
  ]
  const others: number[] = []
  for (let round = 1; round <= options.rounds; round++)
    for (const name of options.side) {
      if (name === 'bullmq flow' && !onPath('redis-server')) {
        if (round === 1)
          notes.push(`${name}: not measured, redis-server is not on the PATH (apt-get install redis-server)`)
        continue
      }
      others.push(await busyCores())
      await withFolder(options.medium, async (folder) => {
        const endpoint = await Endpoint.open()
        const side = await sides[name](folder, processes, endpoint)
        about[name] = side.what
        found.set(name, [...(found.get(name) ?? []), await figuresOf(side)])
        await side.stop()
        endpoint.close()
        await processes.stopAll()
      })
      console.error(`round ${round} of ${options.rounds}, ${name}: done`)
    }
  const comparison = {
    suite: 'sagas',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on ${options.medium}; ${options.runs} runs, ${options.lanes} starts at once; ${inRounds(options.rounds)}`,
    othersCores: Math.max(0, ...others),
    sides: about,
    yardstick: 'bullmq flow',
    lines: linesOf(figures, found),
    notes,
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('sagas', options.out, { comparison, options })}`)
}

async function figuresOf(side: Side): Promise<Found> {
  const { runs, lanes, samples } = options
  await side.runs(Math.ceil(runs / 10), lanes)
  const since = performance.now()
  await side.runs(runs, lanes)
  const steps = perSecond(runs * stepsOfRun, since)
  const starts = await side.starts(samples)
  return {
    'sagas of three steps: steps/s': steps,
    'start to first step, idle: p50 ms': percentile(starts, 0.5),
    'start to first step, idle: p99 ms': percentile(starts, 0.99),
  }
}

await main()
