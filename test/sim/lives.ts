import { AsyncLocalStorage } from 'node:async_hooks'
import type { Host } from './host.ts'
import type { Platform } from './platform.ts'

/** One life of an actor: from waking to sleeping or dying. What a dead one still waits for never comes. */
export interface Life {
  readonly host: Host
  dead: boolean
  /** Calls under way and timers set: while there are any, it does not sleep. */
  busy: number
}

/** The acting instance. Promises carry it along, as an isolate would. */
export const lives = new AsyncLocalStorage<Life>()

let current: Platform | undefined

/** The platform whose events are happening: actors find it behind their globals, which all simulations share. */
export function platform(): Platform {
  if (current === undefined) throw new Error('no simulation runs')
  return current
}

export function nowRuns(running: Platform): void {
  current = running
}
