/** `npm run bench:realtime`: what happens when everyone comes back at once, when nobody says anything, and when all say too much. */
import { parseArgs } from 'node:util'
import { Processes } from './processes.ts'
import { idle } from './realtime/idle.ts'
import { overload, type Step } from './realtime/overload.ts'
import { storm } from './realtime/storm.ts'
import { roomWires, type RoomWire } from './realtime/wires.ts'
import { withFolder } from './media.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { median } from './statistics.ts'
import { bare } from './targets/bare.ts'
import { parley } from './targets/parley.ts'
import type { Reach, Target, TargetName } from './targets/target.ts'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '2000' },
    missed: { type: 'string', default: '20' },
    connections: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    medium: { type: 'string', default: 'tmpfs' },
    scenario: { type: 'string', default: 'storm,idle,overload' },
  },
})
const medium = values.medium === 'disk' ? 'disk' : 'tmpfs'
const rounds = Number(values.rounds)

type Row = Readonly<Record<string, string | number>>
type Scenario = (wire: RoomWire, reach: Reach) => Promise<Row>

const storms: Scenario = async (wire, reach) => {
  const shape = { clients: Number(values.clients), rooms: 20, missed: Number(values.missed) }
  const { medianMs, p99Ms, allMs } = await storm(wire, reach, shape)
  return { 'half after, ms': medianMs, '99 % after, ms': p99Ms, 'all after, ms': allMs }
}

const idleness: Scenario = async (wire, reach) => {
  const { bytesPerConnection } = await idle(wire, reach, Number(values.connections))
  return { 'memory per connection, KiB': bytesPerConnection / 1024 }
}

const steps: Scenario = async (wire, reach) => {
  const all = await overload(wire, reach, Number(values.seconds))
  return Object.fromEntries(all.flatMap((step, n) => describe(step, n)))
}

/** A step of the staircase as columns; the last is half of capacity again, after the flood. */
function describe(step: Step, n: number): [string, number][] {
  const name = n === 3 ? `×${step.load} after` : `×${step.load}`
  return [
    [`${name} offered/s`, step.offeredPerSecond],
    [`${name} acked/s`, step.goodputPerSecond],
    [`${name} median, ms`, step.medianMs],
    [`${name} p99, ms`, step.p99Ms],
    [`${name} refused`, step.refused],
    [`${name} waiting at its end`, step.waiting],
  ]
}

const scenarios: Readonly<Record<string, { readonly what: string; readonly run: Scenario; readonly rounds: number }>> =
  {
    storm: { what: `${values.clients} clients come back at once, each missed ${values.missed}`, run: storms, rounds },
    idle: { what: `${values.connections} idle connections`, run: idleness, rounds: 1 },
    overload: { what: 'messages by the clock: half, all, twice of capacity, half again', run: steps, rounds: 1 },
  }

async function main(): Promise<void> {
  const { cpu, cores, node } = thisMachine()
  const others = (await busyCores()).toFixed(2)
  console.log(
    `${cpu}, ${cores} cores, Node ${node}, on ${medium}; others kept ${others} cores busy; medians of ${rounds}`,
  )
  const processes = new Processes()
  processes.endWithUs()
  for (const name of values.scenario.split(',')) {
    const scenario = scenarios[name]
    if (scenario === undefined) throw new Error(`no scenario ${name}: ${Object.keys(scenarios).join(', ')}`)
    const table = new Map<TargetName, Row[]>()
    for (let round = 0; round < scenario.rounds; round++)
      for (const target of [parley, bare]) {
        const row = await measure(processes, target, scenario.run)
        table.set(target.name, [...(table.get(target.name) ?? []), row])
      }
    print(scenario.what, table)
  }
}

/** Each target on empty data, and alone. */
function measure(processes: Processes, target: Target, run: Scenario): Promise<Row> {
  return withFolder(medium, async (folder) => {
    const running = await target.start(folder, processes)
    try {
      return await run(roomWires[target.name === 'parley' ? 'parley' : 'bare'], {
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

function print(title: string, table: ReadonlyMap<TargetName, readonly Row[]>): void {
  console.log(`\n${title}`)
  const figures = Object.keys([...table.values()][0]?.[0] ?? {})
  const line = (figure: string) =>
    Object.fromEntries([...table].map(([name, rows]) => [name, middle(rows.map((row) => row[figure]))]))
  console.table(Object.fromEntries(figures.map((figure) => [figure, line(figure)])))
}

const middle = (numbers: readonly (string | number | undefined)[]): number =>
  Number(median(numbers.map(Number)).toPrecision(4))

await main()
