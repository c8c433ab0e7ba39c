import { fork } from 'node:child_process'
import { join } from 'node:path'
import { cpuOfDescendants } from '../report/cpu.ts'
import { outcome, type LoadOutcome, type Order, type Outcome } from './reading.ts'

const marginMs = 60_000

/** Runs one measurement in a process of its own; `cacheHits` counts pages that were found in the cache so far. */
export async function runLoad(order: Order, cacheHits: () => Promise<number>): Promise<Outcome> {
  const hitsBefore = await cacheHits()
  const { pid, ended } = startLoad(order)
  const before = await cpuOfDescendants(pid)
  const outcome = await ended
  if (outcome.kind === 'failed') return outcome
  const serverSeconds = (await cpuOfDescendants(pid)) - before
  const { answers } = outcome.measurement
  const hits = (await cacheHits()) - hitsBefore
  const more = { serverUs: (serverSeconds * 1e6) / answers, cacheHits: hits / answers }
  return { kind: 'measured', measurement: { ...outcome.measurement, ...more } }
}

/** Bounded in time: a load that hangs is ended. */
function startLoad(order: Order): { pid: number[]; ended: Promise<LoadOutcome> } {
  const child = fork(join(import.meta.dirname, 'child.ts'), { stdio: 'inherit' })
  const { promise, resolve } = Promise.withResolvers<LoadOutcome>()
  const timer = setTimeout(() => child.kill('SIGKILL'), (order.warmUpSeconds + order.seconds) * 1000 + marginMs)
  child.once('message', (message) => resolve(outcome.parse(message)))
  child.once('error', (error) => resolve({ kind: 'failed', why: error.message }))
  child.once('exit', () => {
    clearTimeout(timer)
    resolve({ kind: 'failed', why: 'the load ended without a result, or took too long' })
  })
  child.send(order)
  return { pid: child.pid === undefined ? [] : [child.pid], ended: promise }
}
