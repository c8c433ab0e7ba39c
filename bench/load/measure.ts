import type { Reach, Wire } from '../targets/target.ts'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'
import { inGroups, Room } from './room.ts'
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
  const { failed, fail } = firstFailure()
  const acks: number[] = []
  const rooms = Array.from({ length: scenario.rooms }, () => new Room((ms) => void acks.push(ms), fail))
  const session = async () => {
    await fill(rooms, wire, reach, scenario.members)
    const window = await load(rooms, acks, scenario, timing)
    await settled(rooms)
    return window
  }
  const measurement = await Promise.race([session(), failed])
  for (const room of rooms) room.close()
  return measurement
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
  for (const room of rooms) room.write(writers, inFlight)
  await pause(warmUpSeconds * 1000)

  acks.length = 0
  const before = reading(rooms)
  await pause(seconds * 1000)
  const after = reading(rooms)
  const times = [...acks]
  for (const room of rooms) room.stopWriting()

  if (times.length === 0) throw new Error('nothing was acknowledged while measuring')
  const elapsed = (after.at - before.at) / 1000
  return {
    ackMedianMs: percentile(times, 0.5),
    ackP99Ms: percentile(times, 0.99),
    ackedPerSecond: times.length / elapsed,
    deliveriesPerSecond: (after.deliveries - before.deliveries) / elapsed,
    loadCores: (after.cpu - before.cpu) / 1e6 / elapsed,
  }
}

/** The counters at one moment. */
function reading(rooms: readonly Room[]): { at: number; deliveries: number; cpu: number } {
  const { user, system } = process.cpuUsage()
  const deliveries = rooms.reduce((sum, room) => sum + room.deliveries, 0)
  return { at: performance.now(), deliveries, cpu: user + system }
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
