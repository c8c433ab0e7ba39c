/** `npm run bench:limits`: our limits beside rate-limiter-flexible and @upstash/ratelimit, on the same machine in one run. */
import { z } from 'zod'
import { commandLine, flagsOf, rounds, seconds } from './command-line.ts'
import { startOurs, type Ours } from './limits/ours.ts'
import { overAnySecond, overBucket } from './limits/overshoot.ts'
import { loadPeer, startPeers, type Peer, type Peers } from './limits/peers.ts'
import { p99, type Result } from './limits/result.ts'
import { withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'

const holders = 8
const limit = 500
const plenty = 1_000_000
const keys = 800
/** A key's first decision makes its actor; that is measured apart from all later ones. */
const warmUpMs = 3000

const options = commandLine(flagsOf(z.object({ rounds, seconds, out: z.string().optional() })))
const ms = options.seconds * 1000

const names = { gateway: 'Parley, in the gateway', http: 'Parley, over HTTP', batch: 'Parley, 100 in a request' }
const sides: Readonly<Record<string, string>> = {
  [names.gateway]: 'what a message meets: decided in the actor that holds the socket, from a lease of the limiter',
  [names.http]: 'POST /v1/limits/check, 32 at once: HTTP, the API key and the answer included',
  [names.batch]: 'POST /v1/limits/check-batch',
}

const plentiful = `${keys} keys far from their limit`
const scarce = `one key at its limit of ${limit}/s`
const figures: Readonly<Record<string, Shown>> = {
  [`${plentiful}: decisions/s`]: { better: 'higher', digits: 0, drawn: true },
  [`${plentiful}: p99, ms`]: { better: 'lower', digits: 4 },
  [`${plentiful}: calls to the store per decision`]: { better: 'neither', digits: 4 },
  [`${plentiful}: its first seconds, decisions/s`]: { better: 'neither', digits: 0 },
  [`${scarce}: of the quota used, %`]: { better: 'neither', digits: 1 },
  [`${scarce}: allowed beyond it`]: { better: 'neither', digits: 0 },
}

async function main(): Promise<void> {
  if (!onPath('redis-server')) throw new Error('redis-server is not on the PATH (apt-get install redis-server)')
  const processes = new Processes()
  processes.endWithUs()
  await withFolder('tmpfs', async (folder) => {
    const ours = await startOurs(folder)
    const peers = await startPeers(processes, folder)
    try {
      const found = new Map<string, Found[]>()
      const others: number[] = []
      for (let round = 1; round <= options.rounds; round++) {
        others.push(await busyCores())
        for (const [side, figure] of await measured(ours, peers, round))
          found.set(side, [...(found.get(side) ?? []), figure])
        console.error(`round ${round} of ${options.rounds} done`)
      }
      const comparison = comparisonOf(peers, found, Math.max(...others))
      console.log(`\n${summary(comparison)}\n\nwritten to ${await save('limits', options.out, { comparison })}`)
    } finally {
      await ours.stop()
      await peers.stop()
      await processes.stopAll()
    }
  })
}

function comparisonOf({ peers }: Peers, found: ReadonlyMap<string, Found[]>, othersCores: number): Comparison {
  return {
    suite: 'limits',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on tmpfs; ${options.seconds} s each, ${inRounds(options.rounds)}`,
    othersCores,
    sides: { ...sides, ...Object.fromEntries(peers.map(({ name, what }) => [name, what])) },
    yardstick: peers[0]?.name,
    lines: linesOf(figures, found),
    notes: [
      'equal: a bucket, or a limit of any second, of the same size; the load in the same process as the peer, which saves it a hop',
      'not equal: no peer survives the loss of its Redis here (no persistence), our limiters keep theirs in SQLite',
    ],
    failures: [],
  }
}

/** One round of all sides; the order alternates. */
async function measured(ours: Ours, peers: Peers, round: number): Promise<[string, Found][]> {
  const sides = [() => measureOurs(ours, round === 1), () => measurePeers(peers)]
  const all: [string, Found][] = []
  for (const pass of round % 2 === 1 ? sides : sides.toReversed()) all.push(...(await pass()))
  return all
}

async function measureOurs(ours: Ours, isFirst: boolean): Promise<[string, Found][]> {
  const order = { holders, ms, perBatch: 2000, keys: keys / holders, shared: false, perSecond: plenty, burst: plenty }
  const load = { lanes: 32, ms, keys, perSecond: plenty }
  const [coldHeld, coldServed] = isFirst
    ? [await ours.hold({ ...order, ms: warmUpMs }), await ours.serve({ ...load, ms: warmUpMs })]
    : []
  const held = await ours.hold(order)
  const served = await ours.serve(load)
  const batches = await ours.serve({ ...load, batch: 100 })
  const heldAtLimit = await ours.hold({
    holders,
    ms,
    perBatch: 200,
    keys: 1,
    shared: true,
    perSecond: limit,
    burst: limit,
  })
  const servedAtLimit = await ours.serve({ lanes: 32, ms, keys: 1, perSecond: limit })
  return [
    [names.gateway, { ...free(held), ...firstOf(coldHeld), ...limited(heldAtLimit, 'bucket') }],
    [names.http, { ...free(served), ...firstOf(coldServed), ...limited(servedAtLimit, 'bucket') }],
    [names.batch, free(batches)],
  ]
}

async function measurePeers(redis: Peers): Promise<[string, Found][]> {
  const all: [string, Found][] = []
  for (const peer of redis.peers) all.push([peer.name, await measurePeer(redis, peer)])
  return all
}

async function measurePeer(redis: Peers, { create, promises }: Peer): Promise<Found> {
  const before = await redis.commands()
  const result = await loadPeer(create(plenty), { lanes: 64, ms, keys })
  const calls = (await redis.commands()) - before
  return {
    ...free({ ...result, calls }),
    ...limited(await loadPeer(create(limit), { lanes: 64, ms, keys: 1 }), promises),
  }
}

const perSecond = ({ decisions, elapsedMs }: Result): number => (decisions * 1000) / elapsedMs

const free = (result: Result): Found => ({
  [`${plentiful}: decisions/s`]: perSecond(result),
  [`${plentiful}: p99, ms`]: p99(result),
  [`${plentiful}: calls to the store per decision`]: result.calls / result.decisions,
})

const firstOf = (result: Result | undefined): Found =>
  result === undefined ? {} : { [`${plentiful}: its first seconds, decisions/s`]: perSecond(result) }

/** A bucket may allow its burst and then its rate; a window its limit in each second that began. */
function limited(result: Result, promises: Peer['promises']): Found {
  const allowed = result.allowed.reduce((sum, { units }) => sum + units, 0)
  const seconds = result.elapsedMs / 1000
  const quota = promises === 'bucket' ? limit * (1 + seconds) : limit * seconds
  const over = promises === 'bucket' ? overBucket(result.allowed, limit, limit) : overAnySecond(result.allowed, limit)
  return { [`${scarce}: of the quota used, %`]: (100 * allowed) / quota, [`${scarce}: allowed beyond it`]: over }
}

await main()
