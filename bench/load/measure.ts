import type { Reach, Wire } from '../targets/target.ts'
import { pause } from '../processes.ts'
import { median, percentile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'
import { inGroups, Conversation, type OnAck } from './conversation.ts'
import type { Scenario } from './scenarios.ts'

/** How long to warm up and to measure. */
export interface Timing {
  warmUpSeconds: number
  seconds: number
}

/** A slow server has some hundred thousand deliveries before it when a large conversation stops writing. */
const settleMs = 60_000

/** Puts one shape of load on a server and measures what it does, then checks that every listener received everything. */
export async function measure(wire: Wire, reach: Reach, scenario: Scenario, timing: Timing): Promise<Measurement> {
  const { cold } = scenario
  if (typeof cold === 'object') return measureRounds(wire, reach, scenario, cold)
  const fromFirst = cold === 'load' ? { ...timing, warmUpSeconds: 0 } : timing
  const acks: number[] = []
  return withConversations(
    wire,
    reach,
    scenario,
    (ms) => void acks.push(ms),
    (conversations) => load(conversations, acks, scenario, fromFirst),
  )
}

/** Fills conversations, does `work` in them, and waits until every listener received everything. */
async function withConversations<T>(
  wire: Wire,
  reach: Reach,
  scenario: Scenario,
  onAck: OnAck,
  work: (conversations: readonly Conversation[]) => Promise<T>,
): Promise<T> {
  const { failed, fail } = firstFailure()
  const conversations = Array.from({ length: scenario.conversations }, () => new Conversation(onAck, fail))
  const session = async () => {
    await fill(conversations, wire, reach, scenario.members)
    const done = await work(conversations)
    await settled(conversations)
    return done
  }
  const done = await Promise.race([session(), failed])
  for (const conversation of conversations) conversation.close()
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
    await withConversations(wire, reach, scenario, none, async (conversations) => {
      for (const round of times) {
        const begun = performance.now()
        await Promise.all(conversations.map((conversation) => conversation.writeOnce(scenario.writers)))
        round.push(performance.now() - begun)
      }
    })
  }
  const figures = Object.fromEntries(roundFigures.map((name, round) => [name, median(times[round] ?? [])]))
  return { figures, loadCores: (cpu() - before.cpu) / 1e3 / (performance.now() - before.at) }
}

function firstFailure(): { failed: Promise<never>; fail: (reason: string) => void } {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {}) // may fail once no other connection competes with it
  return { failed: promise, fail: (reason) => reject(new Error(reason)) }
}

async function fill(conversations: readonly Conversation[], wire: Wire, reach: Reach, members: number): Promise<void> {
  const run = crypto.randomUUID().slice(0, 8)
  await inGroups([...conversations.entries()], 10, ([r, conversation]) => {
    const users = Array.from({ length: members }, (_, m) => `bench-${run}-${r}-${m}`)
    return conversation.fill(wire, reach, users)
  })
}

async function load(
  conversations: readonly Conversation[],
  acks: number[],
  { writers, inFlight }: Scenario,
  { warmUpSeconds, seconds }: Timing,
): Promise<Measurement> {
  const first = reading(conversations)
  for (const conversation of conversations) conversation.write(writers, inFlight)
  if (warmUpSeconds > 0) await pause(warmUpSeconds * 1000)
  const before = warmUpSeconds > 0 ? reading(conversations) : first
  if (warmUpSeconds > 0) acks.length = 0
  await pause(seconds * 1000)
  const after = reading(conversations)
  const times = [...acks]
  for (const conversation of conversations) conversation.stopWriting()

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
function reading(conversations: readonly Conversation[]): { at: number; deliveries: number; cpu: number } {
  const deliveries = conversations.reduce((sum, conversation) => sum + conversation.deliveries, 0)
  return { at: performance.now(), deliveries, cpu: cpu() }
}

/** Microseconds of processor time that this process has used. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Waits until every listener received every acknowledged message exactly once; what then is missing is a broken promise. */
async function settled(conversations: readonly Conversation[]): Promise<void> {
  const deadline = performance.now() + settleMs
  while (!conversations.every((conversation) => conversation.complete)) {
    if (performance.now() > deadline) {
      const broken = conversations.filter((conversation) => !conversation.complete)
      throw new Error(
        `deliveries do not match: ${broken.length} of ${conversations.length} conversations; ${broken[0]?.describe()}`,
      )
    }
    await pause(20)
  }
}
