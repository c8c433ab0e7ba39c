import { waitUntil } from 'cloudflare:workers'
import type { CachePorts } from '../cache/cache.ts'
import type { AskEpochs } from '../cache/epochs.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { systemClock } from '../kernel/clock.ts'
import { askEpochs, processEpochs } from './process-epochs.ts'
import { openCache } from './upstash/cache.ts'

/** What a cache works with whose values have no tags, so that no invalidations are asked for. */
export const untaggedPorts = (env: Env): CachePorts => ({
  ...cachePorts(env, () => Promise.reject(new Error('no tags')), 0),
  isRemembered: loadConfig(env).pageMemory,
})

/** What a cache works with in a request of this process. `now` is the time of the request; `ask` asks the log of invalidations. */
export function cachePorts(env: Env, ask: AskEpochs, now: number): CachePorts {
  const config = loadConfig(env)
  return {
    now: () => Math.max(now, systemClock.now()),
    random: Math.random,
    epochs: processEpochs.view,
    askEpochs: () => askEpochs(ask, now),
    shared: config.redis === undefined ? undefined : openCache(config, env.request),
    background: (work) => waitUntil(work.catch(() => undefined)),
  }
}
