import { fork } from 'node:child_process'
import { join } from 'node:path'
import { outcome, type Order, type Outcome } from './measurement.ts'

/** Setting up a room of a thousand and waiting for the last delivery, beyond the time of the measurement itself. */
const marginMs = 90_000

/** Runs one measurement in a process of its own, bounded in time. */
export function runLoad(order: Order, signal: AbortSignal): Promise<Outcome> {
  const child = fork(join(import.meta.dirname, 'child.ts'), { signal, killSignal: 'SIGKILL', stdio: 'inherit' })
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const limit = (order.timing.warmUpSeconds + order.timing.seconds) * 1000 + marginMs
  const timer = setTimeout(() => child.kill('SIGKILL'), limit)

  child.once('message', (message) => resolve(outcome.parse(message)))
  child.once('error', (error) => resolve({ kind: 'failed', why: error.message }))
  child.once('exit', () => {
    clearTimeout(timer)
    resolve({ kind: 'failed', why: 'the load ended without a result, or took too long' })
  })
  child.send(order)
  return promise
}
