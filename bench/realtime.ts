/**
 * `npm run bench:realtime`: all clients reconnecting at once, idle connections, and more messages than can be handled.
 */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, seconds, someOf } from './command-line.ts'
import { mediumNames, withFolder } from './media.ts'
import { Processes } from './processes.ts'
import { idle } from './realtime/idle.ts'
import { overload, type Step } from './realtime/overload.ts'
import { storm } from './realtime/storm.ts'
import { conversationWires, type ConversationWire } from './realtime/wires.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { bare } from './targets/bare.ts'
import { parley } from './targets/parley.ts'
import type { Reach, Target } from './targets/target.ts'

const scenarioNames = ['storm', 'idle', 'overload'] as const

const options = commandLine(
  flagsOf(
    z.object({
      clients: count(2000),
      missed: count(20),
      connections: count(3000),
      seconds,
      rounds,
      medium: z.enum(mediumNames).default('tmpfs'),
      scenario: someOf(scenarioNames),
      out: z.string().optional(),
    }),
  ),
)

const storming = `${options.clients} clients come back at once, each missed ${options.missed}`
const idling = 'memory of an idle connection, KiB'
const steps = [
  'offered half of capacity',
  'offered all of it',
  'offered twice of it',
  'half again right after',
] as const

const figures: Readonly<Record<string, Shown>> = {
  [`${storming}: half have caught up after, ms`]: { better: 'lower', digits: 0 },
  [`${storming}: 99 % have, ms`]: { better: 'lower', digits: 0 },
  [`${storming}: all have, ms`]: { better: 'lower', digits: 0, drawn: true },
  [idling]: { better: 'lower', digits: 0, drawn: true },
  ...Object.fromEntries(
    steps.flatMap((step): [string, Shown][] => [
      [`${step}: offered/s`, { better: 'neither', digits: 0 }],
      [`${step}: acked/s`, { better: 'higher', digits: 0 }],
      [`${step}: median ms`, { better: 'lower', digits: 1 }],
      [`${step}: p99 ms`, { better: 'lower', digits: 0 }],
      [`${step}: refused`, { better: 'neither', digits: 0 }],
      [`${step}: unanswered at its end`, { better: 'neither', digits: 0 }],
    ]),
  ),
}

type Scenario = (wire: ConversationWire, reach: Reach) => Promise<Found>

const scenarios: Readonly<Record<(typeof scenarioNames)[number], Scenario>> = {
  async storm(wire, reach) {
    const { clients, missed } = options
    const { medianMs, p99Ms, allMs } = await storm(wire, reach, { clients, conversations: 20, missed })
    return {
      [`${storming}: half have caught up after, ms`]: medianMs,
      [`${storming}: 99 % have, ms`]: p99Ms,
      [`${storming}: all have, ms`]: allMs,
    }
  },
  async idle(wire, reach) {
    return { [idling]: (await idle(wire, reach, options.connections)).bytesPerConnection / 1024 }
  },
  async overload(wire, reach) {
    const all = await overload(wire, reach, options.seconds)
    return Object.fromEntries(all.flatMap((step, n) => describe(step, steps[n] ?? '')))
  },
}

const describe = (step: Step, name: string): [string, number][] => [
  [`${name}: offered/s`, step.offeredPerSecond],
  [`${name}: acked/s`, step.goodputPerSecond],
  [`${name}: median ms`, step.medianMs],
  [`${name}: p99 ms`, step.p99Ms],
  [`${name}: refused`, step.refused],
  [`${name}: unanswered at its end`, step.waiting],
]

async function main(): Promise<number> {
  const processes = new Processes()
  processes.endWithUs()
  const found = new Map<string, Found[]>()
  const others: number[] = []
  const failures: string[] = []
  for (let round = 1; round <= options.rounds; round++) {
    others.push(await busyCores())
    for (const target of round % 2 === 1 ? [parley, bare] : [bare, parley])
      for (const name of options.scenario) {
        try {
          const one = await measure(processes, target, scenarios[name])
          found.set(target.name, [...(found.get(target.name) ?? []), one])
          console.error(`round ${round} of ${options.rounds}, ${target.name}, ${name}: done`)
        } catch (thrown) {
          const reason = thrown instanceof Error ? thrown.message : String(thrown)
          failures.push(`${target.name}, ${name}, round ${round}: ${reason}`)
        }
      }
  }
  const comparison = comparisonOf(found, Math.max(...others), failures)
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('realtime', options.out, { comparison, options })}`)
  return failures.length === 0 ? 0 : 1
}

function comparisonOf(found: ReadonlyMap<string, Found[]>, othersCores: number, failures: string[]): Comparison {
  return {
    suite: 'realtime',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `on ${options.medium}; ${options.connections} idle connections, ${options.seconds} s for each offer; ${inRounds(options.rounds)}`,
    othersCores,
    sides: { parley: parley.what, bare: bare.what },
    yardstick: 'bare',
    lines: linesOf(figures, new Map(['parley', 'bare'].map((name) => [name, found.get(name) ?? []]))),
    notes: ['not equal: the bare object knows no tokens, no users and no streams of their own'],
    failures,
  }
}

/** Each target on empty data, and alone. */
function measure(processes: Processes, target: Target, run: Scenario): Promise<Found> {
  return withFolder(options.medium, async (folder) => {
    const running = await target.start(folder, processes)
    try {
      return await run(conversationWires[target.name === 'parley' ? 'parley' : 'bare'], {
        url: running.url,
        apiKey: 'demo-key',
        offerDeflate: false,
      })
    } finally {
      await running.stop()
      await processes.stopAll()
    }
  })
}

process.exitCode = await main()
