import { AsyncLocalStorage } from 'node:async_hooks'
import type { Life, World } from './world.ts'

/** The acting instance. Promises carry it along, as an isolate would. */
export const lives = new AsyncLocalStorage<Life>()

let current: World | undefined

/** The platform whose events are happening: actors find it behind their globals, which all simulations share. */
export function platform(): World {
  if (current === undefined) throw new Error('no simulation runs')
  return current
}

export function nowRuns(running: World): void {
  current = running
}
