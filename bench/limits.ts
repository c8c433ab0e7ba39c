/** `npm run bench:limits`: our limits beside rate-limiter-flexible and @upstash/ratelimit, on the same machine in one run. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startOurs, type Ours } from './limits/ours.ts'
import { overAnySecond, overBucket } from './limits/overshoot.ts'
import { loadPeer, startPeers, type Peers } from './limits/peers.ts'
import { p99, type Result } from './limits/result.ts'
import { Processes } from './processes.ts'
import { busyCores, thisMachine } from './report/machine.ts'

const holders = 8
const limit = 500
const plenty = 1_000_000
/** A key's first decision makes its actor; that is measured apart from all later ones. */
const warmUpMs = 3000

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, folder: { type: 'string', default: '/dev/shm' } },
})
const ms = Number(values.seconds) * 1000

async function main(): Promise<void> {
  const directory = await mkdtemp(join(values.folder, 'parley-limits-'))
  const processes = new Processes()
  processes.endWithUs()
  const others = await busyCores()
  const ours = await startOurs(directory)
  const peers = await startPeers(processes, directory)
  try {
    const { cpu, cores, node } = thisMachine()
    console.log(
      `${cpu}, ${cores} cores, Node ${node}; others kept ${others.toFixed(2)} cores busy; ${values.seconds} s each`,
    )
    await underPlenty(ours, peers)
    await atTheLimit(ours, peers)
  } finally {
    await ours.stop()
    await peers.stop()
    await processes.stopAll()
    await rm(directory, { recursive: true, force: true })
  }
}

/** 800 keys far from their limit: what a decision costs. */
async function underPlenty(ours: Ours, redis: Peers): Promise<void> {
  const keys = 800
  const order = { holders, ms, perTurn: 2000, keys: keys / holders, shared: false, perSecond: plenty, burst: plenty }
  const rows: Row[] = [row('ours, in the gateway: first seconds', await ours.hold({ ...order, ms: warmUpMs }))]
  rows.push(row('ours, in the gateway', await ours.hold(order)))
  rows.push(
    row('ours, over HTTP: first seconds', await ours.serve({ lanes: 32, ms: warmUpMs, keys, perSecond: plenty })),
  )
  rows.push(row('ours, over HTTP', await ours.serve({ lanes: 32, ms, keys, perSecond: plenty })))
  const batches = await ours.serve({ lanes: 32, ms, keys, perSecond: plenty, batch: 100 })
  rows.push(row('ours, over HTTP, by 100', batches))
  for (const { name, create } of redis.peers) {
    const before = await redis.commands()
    const result = await loadPeer(create(plenty), { lanes: 64, ms, keys })
    rows.push({
      ...row(name, result),
      'Redis commands per decision': ((await redis.commands()) - before) / result.decisions,
    })
  }
  print('800 keys far from their limit', rows)
}

/** One key, asked for far more than it allows by eight holders: whether the limit holds, and is used. */
async function atTheLimit(ours: Ours, { peers }: Peers): Promise<void> {
  const order = { holders, ms, perTurn: 200, keys: 1, shared: true, perSecond: limit, burst: limit }
  const held = await ours.hold(order)
  const served = await ours.serve({ lanes: 32, ms, keys: 1, perSecond: limit })
  const rows = [limited('ours, in the gateway', held, 'bucket'), limited('ours, over HTTP', served, 'bucket')]
  for (const { name, create, promises } of peers)
    rows.push(limited(name, await loadPeer(create(limit), { lanes: 64, ms, keys: 1 }), promises))
  print(`one key at its limit of ${limit}/s`, rows)
}

interface Row {
  readonly limiter: string
  readonly [figure: string]: string | number
}

const row = (name: string, result: Result): Row => ({
  limiter: name,
  'decisions/s': Math.round((result.decisions * 1000) / result.elapsedMs),
  'p99, ms': Number(p99(result).toPrecision(2)),
  'store calls per decision': Number((result.calls / result.decisions).toPrecision(2)),
})

/** A bucket may allow its burst and then its rate; a window its limit in each second that began. */
function limited(name: string, result: Result, promises: 'bucket' | 'any second'): Row {
  const allowed = result.allowed.reduce((sum, { units }) => sum + units, 0)
  const seconds = result.elapsedMs / 1000
  const quota = promises === 'bucket' ? limit * (1 + seconds) : limit * seconds
  const over = promises === 'bucket' ? overBucket(result.allowed, limit, limit) : overAnySecond(result.allowed, limit)
  return {
    ...row(name, result),
    'of the quota used': `${((100 * allowed) / quota).toFixed(1)} %`,
    overshoot: `${over} (${promises})`,
  }
}

function print(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`)
  console.table(Object.fromEntries(rows.map(({ limiter, ...figures }) => [limiter, figures])))
}

await main()
