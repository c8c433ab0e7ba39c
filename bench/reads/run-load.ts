import { join } from 'node:path'
import { forkLoad } from '../load/fork.ts'
import { cpuByProgram, cpuOfDescendants } from '../report/cpu.ts'
import { outcome, type Order, type Outcome } from './reading.ts'

const marginMs = 60_000

/** Runs one measurement in a process of its own; `cacheHits` counts pages that were found in the cache so far. */
export async function runLoad(order: Order, cacheHits: () => Promise<number>): Promise<Outcome> {
  const hitsBefore = await cacheHits()
  const { pid, ended } = forkLoad(join(import.meta.dirname, 'child.ts'), order, {
    limitMs: (order.warmUpSeconds + order.seconds) * 1000 + marginMs,
    read: (result) => outcome.parse(result),
  })
  const load = pid === undefined ? [] : [pid]
  const before = await cpuOfDescendants(load)
  const programs = await cpuByProgram(load)
  const result = await ended
  if (result.kind === 'failed') return result
  const serverSeconds = (await cpuOfDescendants(load)) - before
  const { answers } = result.measurement
  const shares = [...(await cpuByProgram(load))]
    .map(([name, us]) => [name, (us - (programs.get(name) ?? 0)) / answers] as const)
    .filter(([, us]) => us >= 1)
    .map(([name, us]) => `${name} ${Math.round(us)}`)
  console.error(`  µs of processor an answer, by program: ${shares.join(', ')}`)
  const hits = (await cacheHits()) - hitsBefore
  const more = { serverUs: (serverSeconds * 1e6) / answers, cacheHits: hits / answers }
  return { kind: 'measured', measurement: { ...result.measurement, ...more } }
}
