/** `npm run bench:jobs`: our job queue beside BullMQ on a local Redis, on the same machine in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { startBullmq } from './jobs/bullmq.ts'
import { startParley } from './jobs/parley.ts'
import type { Side } from './jobs/side.ts'
import { mediumNames, withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'
import { percentile } from './statistics.ts'

const sideNames = ['parley', 'bullmq everysec', 'bullmq always'] as const
const sides: Readonly<Record<(typeof sideNames)[number], (folder: string, processes: Processes) => Promise<Side>>> = {
  parley: startParley,
  'bullmq everysec': (folder, processes) => startBullmq(folder, processes, 'everysec'),
  'bullmq always': (folder, processes) => startBullmq(folder, processes, 'always'),
}
/** As durable as we are. */
const yardstick = 'bullmq always'

const options = commandLine(
  flagsOf(
    z.object({
      jobs: count(20_000),
      backlog: count(100_000),
      samples: count(15),
      rounds,
      medium: z.enum(mediumNames).default('disk'),
      side: someOf(sideNames),
      out: z.string().optional(),
    }),
  ),
)

const figures: Readonly<Record<string, Shown>> = {
  'enqueue one by one, 32 at once: jobs/s': { better: 'higher', digits: 0, drawn: true },
  'enqueue 500 at a time: jobs/s': { better: 'higher', digits: 0, drawn: true },
  'drain no-op jobs: jobs/s': { better: 'higher', digits: 0, drawn: true },
  'enqueue to start, busy queue: p50 ms': { better: 'lower', digits: 2 },
  'enqueue to start, busy queue: p99 ms': { better: 'lower', digits: 2 },
  'enqueue to start, idle queue: p50 ms': { better: 'lower', digits: 2 },
  'one a second, alone: p50 ms': { better: 'lower', digits: 2 },
  'one a second, alone: longest ms': { better: 'lower', digits: 2 },
  'one a second beside a backlog: p50 ms': { better: 'lower', digits: 2 },
  'one a second beside a backlog: longest ms': { better: 'lower', digits: 2, drawn: true },
  'backlog left at the end, jobs': { better: 'neither', digits: 0 },
}

async function main(): Promise<void> {
  const processes = new Processes()
  processes.endWithUs()
  const found = new Map<string, Found[]>()
  const about: Record<string, string> = {}
  const notes: string[] = []
  const others: number[] = []
  for (let round = 1; round <= options.rounds; round++)
    for (const name of options.side) {
      if (name !== 'parley' && !onPath('redis-server')) {
        if (round === 1)
          notes.push(`${name}: not measured, redis-server is not on the PATH (apt-get install redis-server)`)
        continue
      }
      others.push(await busyCores())
      const [what, result] = await measured(sides[name], processes)
      about[name] = what
      found.set(name, [...(found.get(name) ?? []), result])
      console.error(`round ${round} of ${options.rounds}, ${name}: done`)
    }
  const comparison = comparisonOf(found, { about, notes, othersCores: Math.max(0, ...others) })
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('jobs', options.out, { comparison, options })}`)
}

function comparisonOf(
  found: ReadonlyMap<string, Found[]>,
  { about, notes, othersCores }: { about: Record<string, string>; notes: string[]; othersCores: number },
): Comparison {
  const { jobs, backlog, medium, rounds } = options
  return {
    suite: 'jobs',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on ${medium}; ${jobs} jobs (a quarter of them one by one), a backlog of ${backlog}; ${inRounds(rounds)}`,
    othersCores,
    sides: about,
    yardstick,
    lines: linesOf(figures, found),
    notes,
    failures: [],
  }
}

function measured(
  start: (folder: string, processes: Processes) => Promise<Side>,
  processes: Processes,
): Promise<[string, Found]> {
  return withFolder(options.medium, async (folder) => {
    const side = await start(folder, processes)
    try {
      return [`${side.what}; ${side.durability}`, await figuresOf(side)]
    } finally {
      await side.stop()
      await processes.stopAll()
    }
  })
}

async function figuresOf(side: Side): Promise<Found> {
  const { jobs, backlog, samples } = options
  await side.single(500, 32)
  await side.drain(2000)
  const single = await side.single(jobs / 4, 32)
  const batch = await side.batch(jobs, 500)
  const drain = await side.drain(jobs)
  const warm = await side.starts(100, 50)
  const cold = await side.starts(5, 4000)
  const { alone, crowded, left } = await side.neighbours(backlog, samples, 1000)
  return {
    'enqueue one by one, 32 at once: jobs/s': single,
    'enqueue 500 at a time: jobs/s': batch,
    'drain no-op jobs: jobs/s': drain,
    'enqueue to start, busy queue: p50 ms': percentile(warm, 0.5),
    'enqueue to start, busy queue: p99 ms': percentile(warm, 0.99),
    'enqueue to start, idle queue: p50 ms': percentile(cold, 0.5),
    'one a second, alone: p50 ms': percentile(alone, 0.5),
    'one a second, alone: longest ms': Math.max(...alone),
    'one a second beside a backlog: p50 ms': percentile(crowded, 0.5),
    'one a second beside a backlog: longest ms': Math.max(...crowded),
    'backlog left at the end, jobs': left,
  }
}

await main()
