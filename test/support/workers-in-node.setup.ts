import { setTimeout as wait } from 'node:timers/promises'

// The one global of workerd that parts of actors use.
if (!('scheduler' in globalThis))
  Object.assign(globalThis, { scheduler: { wait: async (ms: number) => await wait(ms) } })
