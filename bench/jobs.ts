/** `npm run bench:jobs`: our job queue beside BullMQ on a local Redis, on the same machine in one run. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBullmq } from './jobs/bullmq.ts'
import { startParley } from './jobs/parley.ts'
import type { Side } from './jobs/side.ts'
import { withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { onPath } from './report/versions.ts'
import { percentile } from './statistics.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '20000' },
    backlog: { type: 'string', default: '100000' },
    samples: { type: 'string', default: '15' },
    medium: { type: 'string', default: 'disk' },
    side: { type: 'string', default: 'parley,bullmq everysec,bullmq always' },
    out: { type: 'string' },
  },
})

const jobs = Number(values.jobs)
const backlog = Number(values.backlog)
const samples = Number(values.samples)

/** One side's figures: jobs per second, and milliseconds. */
type Figures = Record<string, number>

const sides: Readonly<Record<string, (folder: string, processes: Processes) => Promise<Side>>> = {
  parley: startParley,
  'bullmq everysec': (folder, processes) => startBullmq(folder, processes, 'everysec'),
  'bullmq always': (folder, processes) => startBullmq(folder, processes, 'always'),
}

async function main(): Promise<void> {
  const processes = new Processes()
  processes.endWithUs()
  const results: Record<string, Figures> = {}
  for (const name of values.side.split(',')) {
    const start = sides[name]
    if (start === undefined) throw new Error(`--side: one of ${Object.keys(sides).join(', ')}`)
    if (name !== 'parley' && !onPath('redis-server')) {
      console.log(`${name}: not measured, redis-server is not on the PATH (apt-get install redis-server)`)
      continue
    }
    const others = await busyCores()
    results[name] = { 'cores others kept busy': others, ...(await measured(start, processes)) }
  }
  print(results)
  await save(results)
}

async function measured(start: (folder: string, processes: Processes) => Promise<Side>, processes: Processes) {
  return withFolder(values.medium === 'tmpfs' ? 'tmpfs' : 'disk', async (folder) => {
    const side = await start(folder, processes)
    console.log(`${side.name}: ${side.what}; ${side.durability}`)
    try {
      return await figures(side)
    } finally {
      await side.stop()
      await processes.stopAll()
    }
  })
}

async function figures(side: Side): Promise<Figures> {
  await side.single(500, 32)
  await side.drain(2000)
  const single = await side.single(jobs / 4, 32)
  const batch = await side.batch(jobs, 500)
  const drain = await side.drain(jobs)
  const warm = await side.starts(100, 50)
  const cold = await side.starts(5, 4000)
  const { alone, crowded, left } = await side.neighbours(backlog, samples, 1000)
  return {
    'enqueue one by one, jobs/s': single,
    'enqueue 500 at a time, jobs/s': batch,
    'drain no-op jobs, jobs/s': drain,
    'enqueue to start, busy queue, p50 ms': percentile(warm, 0.5),
    'enqueue to start, busy queue, p99 ms': percentile(warm, 0.99),
    'enqueue to start, idle queue, p50 ms': percentile(cold, 0.5),
    'one per second alone, p50 ms': percentile(alone, 0.5),
    'one per second alone, max ms': Math.max(...alone),
    'one per second beside a backlog, p50 ms': percentile(crowded, 0.5),
    'one per second beside a backlog, max ms': Math.max(...crowded),
    'backlog left at the end, jobs': left,
  }
}

function print(results: Record<string, Figures>): void {
  const names = Object.keys(results)
  const rows = Object.keys(Object.values(results)[0] ?? {})
  const table = rows.map((row) => [row, ...names.map((name) => show(results[name]?.[row] ?? Number.NaN))])
  const all = [['', ...names], ...table]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  const { cpu, cores, node } = thisMachine()
  console.log(`\n${cpu}, ${cores} cores, Node ${node}; ${jobs} jobs, backlog ${backlog}, on ${values.medium}`)
  for (const row of all)
    console.log(
      row.map((text, n) => (n === 0 ? text.padEnd(widths[n] ?? 0) : text.padStart(widths[n] ?? 0))).join('  '),
    )
}

const show = (value: number) =>
  value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0, minimumFractionDigits: value < 100 ? 2 : 0 })

async function save(results: Record<string, Figures>): Promise<void> {
  const file = values.out ?? join('bench', 'results', `jobs-${new Date().toISOString().replaceAll(':', '-')}.json`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify({ machine: thisMachine(), settings: values, results }, null, 2)}\n`)
  console.log(`\nwritten to ${file}`)
}

await main()
