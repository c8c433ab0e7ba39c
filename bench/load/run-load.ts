import { join } from 'node:path'
import { forkLoad } from './fork.ts'
import { outcome, type Order, type Outcome } from './measurement.ts'

/** Setting up a conversation of a thousand and waiting for the last delivery, beyond the time of the measurement itself. */
const marginMs = 90_000

/** Runs one measurement in a process of its own, bounded in time. */
export function runLoad(order: Order, signal: AbortSignal): Promise<Outcome> {
  const limitMs = (order.timing.warmUpSeconds + order.timing.seconds) * 1000 + marginMs
  const read = (message: unknown) => outcome.parse(message)
  return forkLoad(join(import.meta.dirname, 'child.ts'), order, { limitMs, read, signal }).ended
}
