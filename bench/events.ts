/** `npm run bench:events`: events that are pushed to a consumer, beside BullMQ and pg-boss, in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { startBoss, startBull, startParley, type Side } from './events/sides.ts'
import { perSecond } from './jobs/side.ts'
import { mediumNames, withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'
import { Endpoint } from './sagas/endpoint.ts'
import { percentile } from './statistics.ts'

const sides = { parley: startParley, bullmq: startBull, 'pg-boss': startBoss } as const
const sideNames = ['parley', 'bullmq', 'pg-boss'] as const

const options = commandLine(
  flagsOf(
    z.object({
      events: count(5000),
      lanes: count(32),
      together: count(100),
      samples: count(50),
      pause: z.coerce.number().int().min(0).max(120_000).default(100),
      rounds,
      medium: z.enum(mediumNames).default('disk'),
      side: someOf(sideNames),
      out: z.string().optional(),
    }),
  ),
)

const figures: Readonly<Record<string, Shown>> = {
  'published one by one and pushed: events/s': { better: 'higher', digits: 0, drawn: true },
  'published in batches and pushed: events/s': { better: 'higher', digits: 0, drawn: true },
  'an event to a pushed consumer, idle: p50 ms': { better: 'lower', digits: 2, drawn: true },
  'an event to a pushed consumer, idle: p99 ms': { better: 'lower', digits: 2 },
}

async function main(): Promise<void> {
  const processes = new Processes()
  processes.endWithUs()
  const found = new Map<string, Found[]>()
  const about: Record<string, string> = {}
  const notes = [
    "not equal: Parley's events are ordered by key, signed, kept for other consumers and idempotent by source and id; those of the others are jobs",
  ]
  const others: number[] = []
  for (let round = 1; round <= options.rounds; round++)
    for (const name of options.side) {
      if (name === 'bullmq' && !onPath('redis-server')) {
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
    suite: 'events',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on ${options.medium}; ${options.events} events, ${options.lanes} calls at once, or batches of ${options.together} in 4 calls at once; idle for ${options.pause} ms before each sample; ${inRounds(options.rounds)}`,
    othersCores: Math.max(0, ...others),
    sides: about,
    yardstick: 'bullmq',
    lines: linesOf(figures, found),
    notes,
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('events', options.out, { comparison, options })}`)
}

async function figuresOf(side: Side): Promise<Found> {
  const { events, lanes, together, samples, pause } = options
  const warm = Math.ceil(events / 10 / together) * together
  await side.publish(warm, together, 4)
  const rate = async (count: number, each: number, atOnce: number) => {
    const since = performance.now()
    await side.publish(count, each, atOnce)
    return perSecond(count, since)
  }
  const single = await rate(events, 1, lanes)
  const batch = await rate(Math.ceil(events / together) * together, together, 4)
  const latencies = await side.latencies(samples, pause)
  return {
    'published one by one and pushed: events/s': single,
    'published in batches and pushed: events/s': batch,
    'an event to a pushed consumer, idle: p50 ms': percentile(latencies, 0.5),
    'an event to a pushed consumer, idle: p99 ms': percentile(latencies, 0.99),
  }
}

await main()
