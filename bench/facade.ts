/** `npm run bench:facade`: what a facade adds to a request, beside a bare Worker in front of the same upstream. */
import { z } from 'zod'
import { commandLine, flagsOf, rounds } from './command-line.ts'
import { startBare, startFacade, startUpstream, type Side } from './facade/sides.ts'
import { withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { percentile } from './statistics.ts'

const pairs = z.coerce.number().int().min(100).default(5000)
const options = commandLine(flagsOf(z.object({ rounds, pairs, out: z.string().optional() })))
const warmUp = 1000

const names = { parley: 'Parley', bare: 'bare Worker' } as const
const figures: Readonly<Record<string, Shown>> = {
  'a request, p50 ms': { better: 'lower', digits: 3, drawn: true },
  'a request, p95 ms': { better: 'lower', digits: 3 },
  'more than the bare Worker a moment before, p50 ms': { better: 'lower', digits: 3 },
  'processor µs of its workerd a request': { better: 'lower', digits: 0 },
}

/** Requests in turns, so that both sides meet the same machine. */
async function measure(parley: Side, bare: Side): Promise<{ readonly parley: Found; readonly bare: Found }> {
  const ours: number[] = []
  const theirs: number[] = []
  const before = [await parley.processorUs(), await bare.processorUs()] as const
  for (let n = 0; n < options.pairs; n++) {
    theirs.push(await bare.get())
    ours.push(await parley.get())
  }
  const after = [await parley.processorUs(), await bare.processorUs()] as const
  const found = (times: readonly number[], us: number): Found => ({
    'a request, p50 ms': percentile(times, 0.5),
    'a request, p95 ms': percentile(times, 0.95),
    'processor µs of its workerd a request': us / options.pairs,
  })
  const added = ours.map((ms, n) => ms - (theirs[n] ?? Number.NaN))
  return {
    parley: {
      ...found(ours, after[0] - before[0]),
      'more than the bare Worker a moment before, p50 ms': percentile(added, 0.5),
    },
    bare: found(theirs, after[1] - before[1]),
  }
}

const processes = new Processes()
processes.endWithUs()
await withFolder('tmpfs', async (folder) => {
  const upstream = await startUpstream(processes, folder)
  const bare = await startBare(processes, folder, upstream)
  const parley = await startFacade(folder, upstream)
  const found = { parley: [] as Found[], bare: [] as Found[] }
  const others: number[] = []
  for (let n = 0; n < warmUp; n++) await Promise.all([parley.get(), bare.get()])
  for (let round = 1; round <= options.rounds; round++) {
    others.push(await busyCores())
    const { parley: ours, bare: theirs } = await measure(parley, bare)
    found.parley.push(ours)
    found.bare.push(theirs)
    console.error(`round ${round} of ${options.rounds} done`)
  }
  const comparison: Comparison = {
    suite: 'facade',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `one request at a time over one connection each, in turns, ${options.pairs} pairs; ${inRounds(options.rounds)}`,
    othersCores: Math.max(...others),
    sides: {
      [names.parley]: 'a route with 50 % on each side: limits, side, headers, breaker, counts, reports once a second',
      [names.bare]: 'a Worker that calls fetch with the request and returns its response, on the same workerd',
    },
    yardstick: names.bare,
    lines: linesOf(figures, new Map(Object.entries({ [names.parley]: found.parley, [names.bare]: found.bare }))),
    notes: ['aim: at most 0.5 ms more at p50'],
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('facade', options.out, { comparison })}`)
  await parley.stop()
  await processes.stopAll()
})
