/** `npm run bench:sagas`: sagas of three steps beside a BullMQ flow and pg-boss, in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { perSecond } from './jobs/side.ts'
import { mediumNames } from './media.ts'
import { measureInRounds } from './peers-in-rounds.ts'
import type { Found, Shown } from './report/comparison.ts'
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

await measureInRounds(
  {
    name: 'sagas',
    sides,
    onRedis: ['bullmq flow'],
    yardstick: 'bullmq flow',
    figures,
    measure: figuresOf,
    conditions: `${options.runs} runs, ${options.lanes} starts at once`,
    notes: ['steps of Parley may be compensated, asked about and repeated by rules; those of the others are jobs only'],
  },
  options,
)
