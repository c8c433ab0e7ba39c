/** `npm run bench:projection`: messages of many conversations written to one Postgres, beside a bare loop of the same inserts. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds } from './command-line.ts'
import { missingMedium, mediumNames, withFolder } from './media.ts'
import type { Work } from './projection/messages.ts'
import { startWorld, type Done, type Loop, type World } from './projection/world.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { cpuOfDescendants } from './report/cpu.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'

const options = commandLine(
  flagsOf(
    z.object({
      rounds,
      conversations: count(400),
      messages: count(100_000),
      batch: count(50),
      medium: z.enum(mediumNames).default('tmpfs'),
      out: z.string().optional(),
    }),
  ),
)

/** As the shard's writers: rows in one statement, and lanes. */
const loop: Loop = { rows: 2000, lanes: 2 }
const names = { parley: 'Parley', proxy: 'bare loop, same way', direct: 'bare loop, pg' } as const
type Side = keyof typeof names
const sides: Readonly<Record<string, string>> = {
  [names.parley]: 'ShardWriter actors on plain workerd, to which every conversation hands over its batches',
  [names.proxy]: 'the same statement of 2,000 rows in two loops, in the same workerd through the same Neon stand-in',
  [names.direct]: 'the same statement in two loops over two connections of pg in Node, without stand-in and workerd',
}
const figures: Readonly<Record<string, Shown>> = {
  'messages/s': { better: 'higher', digits: 0, drawn: true },
  'processor µs a message, Postgres included': { better: 'lower', digits: 1 },
  'transactions a message': { better: 'lower', digits: 5 },
}

async function measure(world: World, side: Side, run: string): Promise<Found> {
  const { conversations, messages, batch } = options
  const batches = Math.max(1, Math.round(messages / conversations / batch))
  const work: Work = { run, conversations, batches, batch }
  const total = conversations * batches * batch
  await world.empty()
  const before = await cpu()
  const { ms, transactions }: Done =
    side === 'direct' ? await world.writeDirectly(work, loop) : await world.write(side, work, loop)
  const used = (await cpu()) - before
  const written = await world.count()
  if (written !== total) throw new Error(`${names[side]}: ${written} of ${total} messages are in Postgres`)
  return {
    'messages/s': (1000 * total) / ms,
    'processor µs a message, Postgres included': (1e6 * used) / total,
    'transactions a message': transactions / total,
  }
}

/** Seconds of processor time of everything, this process with the stand-in included. */
async function cpu(): Promise<number> {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + (await cpuOfDescendants([]))
}

const missing = await missingMedium(options.medium)
if (missing !== undefined) throw new Error(missing)
const processes = new Processes()
processes.endWithUs()
await withFolder(options.medium, async (folder) => {
  const world = await startWorld(processes, folder)
  const all = new Map<string, Found[]>()
  const others: number[] = []
  try {
    const sides: readonly Side[] = ['parley', 'proxy', 'direct']
    for (const side of sides) await measure(world, side, `warm-${side}`)
    for (let round = 1; round <= options.rounds; round++) {
      others.push(await busyCores())
      for (const side of round % 2 === 1 ? sides : sides.toReversed())
        all.set(names[side], [...(all.get(names[side]) ?? []), await measure(world, side, `r${round}-${side}`)])
      console.error(`round ${round} of ${options.rounds} done`)
    }
  } finally {
    await processes.stopAll()
    await world.stop()
  }
  const { conversations, messages, batch, medium } = options
  const comparison: Comparison = {
    suite: 'projection',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `${messages} messages of ${conversations} conversations in batches of ${batch}, one Postgres on ${medium} (fsync on); ${inRounds(options.rounds)}`,
    othersCores: Math.max(...others),
    sides,
    yardstick: names.proxy,
    lines: linesOf(figures, all),
    notes: ['conversations read their batches from their logs, which is not in these figures'],
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('projection', options.out, { comparison })}`)
})
