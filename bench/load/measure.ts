import type { Reach, Wire } from '../targets/target.ts'
import { pause } from '../processes.ts'
import { median, percentile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'
import { inGroups, Room, type OnAck } from './room.ts'
import type { Scenario } from './scenarios.ts'

/** How long to warm up and to measure. */
export interface Timing {
  warmUpSeconds: number
  seconds: number
}

/** A slow server has some hundred thousand deliveries before it when a large room stops writing. */
const settleMs = 60_000

/** Puts one shape of load on a server and measures what it does, then checks that every listener heard everything. */
export async function measure(wire: Wire, reach: Reach, scenario: Scenario, timing: Timing): Promise<Measurement> {
  const { cold } = scenario
  if (typeof cold === 'object') return measureRounds(wire, reach, scenario, cold)
  const fromFirst = cold === 'load' ? { ...timing, warmUpSeconds: 0 } : timing
  const acks: number[] = []
  return withRooms(
    wire,
    reach,
    scenario,
    (ms) => void acks.push(ms),
    (rooms) => load(rooms, acks, scenario, fromFirst),
  )
}

/** Fills rooms, does `work` in them, and waits until every listener heard everything. */
async function withRooms<T>(
  wire: Wire,
  reach: Reach,
  scenario: Scenario,
  onAck: OnAck,
  work: (rooms: readonly Room[]) => Promise<T>,
): Promise<T> {
  const { failed, fail } = firstFailure()
  const rooms = Array.from({ length: scenario.rooms }, () => new Room(onAck, fail))
  const session = async () => {
    await fill(rooms, wire, reach, scenario.members)
    const done = await work(rooms)
    await settled(rooms)
    return done
  }
  const done = await Promise.race([session(), failed])
  for (const room of rooms) room.close()
  return done
}

/** The figures of the rounds, in order. */
const roundFigures = ['firstRoundMs', 'secondRoundMs', 'thirdRoundMs', 'fourthRoundMs'] as const

/** The time from the first send of a round to its last acknowledgement, as medians over the batches of conversations. */
async function measureRounds(
  wire: Wire,
  reach: Reach,
  scenario: Scenario,
  { rounds, batches }: { readonly rounds: number; readonly batches: number },
): Promise<Measurement> {
  const times: number[][] = Array.from({ length: rounds }, () => [])
  const before = { at: performance.now(), cpu: cpu() }
  for (let batch = 0; batch < batches; batch++) {
    const none = () => undefined
    await withRooms(wire, reach, scenario, none, async (rooms) => {
      for (const round of times) {
        const begun = performance.now()
        await Promise.all(rooms.map((room) => room.writeOnce(scenario.writers)))
        round.push(performance.now() - begun)
      }
    })
  }
  const figures = Object.fromEntries(roundFigures.map((name, round) => [name, median(times[round] ?? [])]))
  return { figures, loadCores: (cpu() - before.cpu) / 1e3 / (performance.now() - before.at) }
}

function firstFailure(): { failed: Promise<never>; fail: (why: string) => void } {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {}) // may fail once no other connection competes with it
  return { failed: promise, fail: (why) => reject(new Error(why)) }
}

async function fill(rooms: readonly Room[], wire: Wire, reach: Reach, members: number): Promise<void> {
  const run = crypto.randomUUID().slice(0, 8)
  await inGroups([...rooms.entries()], 10, ([r, room]) => {
    const users = Array.from({ length: members }, (_, m) => `bench-${run}-${r}-${m}`)
    return room.fill(wire, reach, users)
  })
}

async function load(
  rooms: readonly Room[],
  acks: number[],
  { writers, inFlight }: Scenario,
  { warmUpSeconds, seconds }: Timing,
): Promise<Measurement> {
  const first = reading(rooms)
  for (const room of rooms) room.write(writers, inFlight)
  if (warmUpSeconds > 0) await pause(warmUpSeconds * 1000)
  const before = warmUpSeconds > 0 ? reading(rooms) : first
  if (warmUpSeconds > 0) acks.length = 0
  await pause(seconds * 1000)
  const after = reading(rooms)
  const times = [...acks]
  for (const room of rooms) room.stopWriting()

  if (times.length === 0) throw new Error('nothing was acknowledged while measuring')
  const elapsed = (after.at - before.at) / 1000
  return {
    figures: {
      ackMedianMs: percentile(times, 0.5),
      ackP99Ms: percentile(times, 0.99),
      ackedPerSecond: times.length / elapsed,
      deliveriesPerSecond: (after.deliveries - before.deliveries) / elapsed,
    },
    loadCores: (after.cpu - before.cpu) / 1e6 / elapsed,
  }
}

/** The counters at one moment. */
function reading(rooms: readonly Room[]): { at: number; deliveries: number; cpu: number } {
  const deliveries = rooms.reduce((sum, room) => sum + room.deliveries, 0)
  return { at: performance.now(), deliveries, cpu: cpu() }
}

/** Microseconds of processor time that this process has used. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Waits until every listener heard every acknowledged message exactly once; what then is missing is a broken promise. */
async function settled(rooms: readonly Room[]): Promise<void> {
  const deadline = performance.now() + settleMs
  while (!rooms.every((room) => room.complete)) {
    if (performance.now() > deadline) {
      const broken = rooms.filter((room) => !room.complete)
      throw new Error(`deliveries do not match: ${broken.length} of ${rooms.length} rooms; ${broken[0]?.describe()}`)
    }
    await pause(20)
  }
}
