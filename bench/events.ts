/** `npm run bench:events`: events that are pushed to a consumer, beside BullMQ and pg-boss, in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { startBoss, startBull, startParley, type Side } from './events/sides.ts'
import { perSecond } from './jobs/side.ts'
import { mediumNames } from './media.ts'
import { measureInRounds } from './peers-in-rounds.ts'
import type { Found, Shown } from './report/comparison.ts'
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

await measureInRounds(
  {
    name: 'events',
    sides,
    onRedis: ['bullmq'],
    yardstick: 'bullmq',
    figures,
    measure: figuresOf,
    conditions: `${options.events} events, ${options.lanes} calls at once, or batches of ${options.together} in 4 calls at once; idle for ${options.pause} ms before each sample`,
    notes: [
      "not equal: Parley's events are ordered by key, signed, kept for other consumers and idempotent by source and id; those of the others are jobs",
    ],
  },
  options,
)
