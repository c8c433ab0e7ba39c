import { setTimeout as pause } from 'node:timers/promises'
import { within } from '../../src/kernel/retry.ts'
import { seeded } from '../jobs/support/chance.ts'
import { Crowd } from '../support/e2e/crowd.ts'
import { Shards } from '../support/e2e/shards.ts'
import { Business } from './business.ts'
import { Extras } from './extras.ts'
import type { Fault } from './faults.ts'
import type { TortureWorld } from './world.ts'

/** How a round ended. */
export interface RoundEnd {
  /** Every promise that was broken; none when all is well. */
  readonly broken: readonly string[]
  readonly acknowledged: number
  readonly promised: number
  readonly allowed: number
  /** Runs of sagas that were started, and events that were accepted. */
  readonly runs: number
  readonly events: number
}

const people = ['alice', 'bob', 'carol', 'dave', 'erin']
/** What may take a while after hard times: backoffs of a minute, circuits that are open. */
const timeoutMs = 150_000
/** For how long a round has faults at most: starts of the Worker among them take their time. */
const faultsEndMs = 300_000

/** People talk in new conversations through all of these faults; then it is quiet, and everything is looked at. */
export async function playRound(world: TortureWorld, seed: number, faults: readonly Fault[]): Promise<RoundEnd> {
  const names = people.map((name) => `${name}-${seed}`)
  const crowd = new Crowd(world.system, { socketUrl: world.socketUrl, pauseMs: 120, timeoutMs })
  const extras = new Extras(world.system, seeded(seed), `round-${seed}`)
  const business = new Business(world.system, seeded(seed + 1), `round-${seed}`)
  try {
    await crowd.gather(names, 3)
    await extras.begin(crowd.conversations, names[0] ?? '')
    await business.begin()
    crowd.talk()
    await within(faultsEndMs, 'the faults', letHappen(world, faults))
    await within(timeoutMs, 'the Worker comes up again', world.calm())
    await pause(1000)
    await allEnded([crowd.hush(), extras.end(timeoutMs), business.end(timeoutMs)])
    return await judge(world, crowd, extras, business)
  } catch (thrown) {
    return { ...figures(crowd, extras, business), broken: [`the round did not end: ${describe(thrown)}`] }
  } finally {
    crowd.disperse()
    business.stop()
  }
}

/** Messages for later, runs and events may still be on their way: what is looked at is what there is once it is still. */
async function judge(world: TortureWorld, crowd: Crowd, extras: Extras, business: Business): Promise<RoundEnd> {
  const deadline = performance.now() + timeoutMs
  const shards = new Shards(world.system)
  let open = await business.open()
  for (let before = -1, isOver = false; !isOver && performance.now() < deadline; await pause(3000)) {
    const log = await shards.logOf(crowd.conversations)
    open = open.length === 0 ? open : await business.open()
    isOver = open.length === 0 && extras.broken(log).length === 0 && log.length === before
    before = log.length
  }
  const { violations, log } = await crowd.verdictAndLog((clientId) => extras.isLater(clientId))
  const told = violations.map(({ check, what }) => `${check}: ${what}`)
  const missing = extras.broken(log)
  const where = missing.length === 0 ? [] : await extras.missing(log)
  const broken = [...told, ...missing, ...where, ...open, ...business.broken()]
  return { ...figures(crowd, extras, business), broken }
}

/** Waits for all of them, and fails with what each that failed has to say. */
async function allEnded(work: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(work)).filter((each) => each.status === 'rejected')
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => describe(reason)).join('\n'))
}

async function letHappen(world: TortureWorld, faults: readonly Fault[]): Promise<void> {
  const began = performance.now()
  const ends: Promise<void>[] = []
  for (const fault of faults) {
    await pause(Math.max(0, fault.at - (performance.now() - began)))
    ends.push(happen(world, fault))
  }
  await Promise.all(ends)
}

async function happen(world: TortureWorld, fault: Fault): Promise<void> {
  const end = await world.begin(fault)
  await pause(fault.ms)
  await end()
}

const figures = ({ acknowledged }: Crowd, { promised, allowed }: Extras, business: Business) => ({
  acknowledged,
  promised,
  allowed,
  ...business.figures,
})

const describe = (thrown: unknown) =>
  thrown instanceof Error ? `${thrown.message} ${String(thrown.cause ?? '')}` : String(thrown)
