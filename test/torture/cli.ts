import { parseArgs } from 'node:util'
import { seeded } from '../jobs/support/chance.ts'
import { whyNoStrace } from '../support/e2e/strace.ts'
import { planFaults, tellFault, type Fault } from './faults.ts'
import { attacks } from './hostile/attacks.ts'
import { playAttack } from './hostile/hostile.ts'
import { readReplay, writeReplay, type Replay } from './replay.ts'
import { playRound, type RoundEnd } from './round.ts'
import { shrink } from './shrink.ts'
import { TortureWorld } from './world.ts'

// `npm run torture -- --minutes 30 --seed 7`, or `--replay file` for what an earlier run has written down. After the faults
// come the hostile callers, each for itself: `--attacks all` (the default), `none`, or names with commas between them.

const roundMs = 45_000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    attacks: { type: 'string', default: 'all' },
  },
})
const say = (line: string) => process.stdout.write(`${line}\n`)

/** One round in a world of its own: what a replay is. */
async function playAlone({ seed, faults }: Replay): Promise<RoundEnd> {
  const world = await TortureWorld.start()
  try {
    return await playRound(world, seed, faults)
  } finally {
    await world.stop()
  }
}

/** Rounds one after another in the same world until time is up or a promise is broken; gives the round that broke it. */
async function torture(seed: number, endsAt: number, disk: boolean): Promise<Replay | undefined> {
  const world = await TortureWorld.start()
  try {
    for (let round = 1; performance.now() < endsAt; round++) {
      const roundSeed = seed * 1000 + round
      const faults = planFaults(
        seeded(roundSeed),
        Math.min(roundMs, Math.max(10_000, endsAt - performance.now())),
        disk,
      )
      const began = performance.now()
      const end = await playRound(world, roundSeed, faults)
      tell(`round ${round}`, end, faults, performance.now() - began, world.deaths)
      if (end.broken.length > 0) return { seed: roundSeed, faults }
    }
    return undefined
  } finally {
    await world.stop()
  }
}

function tell(what: string, end: RoundEnd, faults: readonly Fault[], tookMs: number, deaths: number): void {
  const { acknowledged, promised, allowed, runs, events, broken } = end
  const verdict = broken.length === 0 ? 'all promises kept' : `BROKEN\n  ${broken.slice(0, 20).join('\n  ')}`
  say(
    `${what}: ${faults.length} faults, ${deaths} deaths so far, ${acknowledged} messages, ${promised} for later, ` +
      `${allowed} allowed, ${runs} runs of sagas, ${events} events, ${Math.round(tookMs / 1000)} s: ${verdict}`,
  )
}

/** Looks for a shorter list of faults that breaks a promise too, and writes the shortest down. */
async function reduce(broken: Replay, endsAt: number): Promise<void> {
  const fails = async (faults: readonly Fault[]) =>
    (await playAlone({ seed: broken.seed, faults: [...faults] })).broken.length > 0
  const shortest = await shrink(broken.faults, fails, () => performance.now() < endsAt)
  say(`${shortest.length} of ${broken.faults.length} faults are left:`)
  for (const one of shortest) say(`  ${tellFault(one)}`)
  say(`again with: ${writeReplay({ seed: broken.seed, faults: [...shortest] })}`)
}

/** Lets the hostile callers attack one after another, each a system of its own; says whether all bounds held. */
async function resist(seed: number): Promise<boolean> {
  const all = Object.keys(attacks)
  const chosen = { all, none: [] }[values.attacks] ?? values.attacks.split(',')
  let isWell = true
  for (const name of chosen) {
    const { broken, figures } = await playAttack(name, seed)
    isWell &&= broken.length === 0
    say(`attack ${name}: ${figures}: ${broken.length === 0 ? 'all bounds kept' : `BROKEN\n  ${broken.join('\n  ')}`}`)
    if (broken.length > 0) say(`  again with: npm run torture -- --minutes 0 --attacks ${name} --seed ${seed}`)
  }
  return isWell
}

async function main(): Promise<boolean> {
  const why = whyNoStrace()
  if (why !== undefined) say(`disks stay well: ${why}`)
  if (values.replay !== undefined) {
    const known = readReplay(values.replay)
    const end = await playAlone(known)
    tell('replay', end, known.faults, 0, 0)
    return end.broken.length === 0
  }
  const lastsMs = Number(values.minutes) * 60_000
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
  say(
    `seed ${seed}, ${values.minutes} minutes; again with: npm run torture -- --minutes ${values.minutes} --attacks ${values.attacks} --seed ${seed}`,
  )
  const broken = lastsMs > 0 ? await torture(seed, performance.now() + lastsMs, why === undefined) : undefined
  if (broken !== undefined) await reduce(broken, performance.now() + lastsMs)
  return (await resist(seed)) && broken === undefined
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.exit((await main()) ? 0 : 1)
