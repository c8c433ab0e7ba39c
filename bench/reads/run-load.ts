import { fork } from 'node:child_process'
import { join } from 'node:path'
import { outcome, type Order, type Outcome } from './reading.ts'

const marginMs = 60_000

/** Runs one measurement in a process of its own, bounded in time. */
export function runLoad(order: Order): Promise<Outcome> {
  const child = fork(join(import.meta.dirname, 'child.ts'), { stdio: 'inherit' })
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const timer = setTimeout(() => child.kill('SIGKILL'), (order.warmUpSeconds + order.seconds) * 1000 + marginMs)
  child.once('message', (message) => resolve(outcome.parse(message)))
  child.once('error', (error) => resolve({ kind: 'failed', why: error.message }))
  child.once('exit', () => {
    clearTimeout(timer)
    resolve({ kind: 'failed', why: 'the load ended without a result, or took too long' })
  })
  child.send(order)
  return promise
}
