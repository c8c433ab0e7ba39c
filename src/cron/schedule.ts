import type { Env } from '../env.ts'
import { archive } from './archive.ts'
import { failures } from './failures.ts'
import { partitions } from './partitions.ts'
import { placements } from './placements.ts'
import { reconcile } from './reconcile.ts'
import { sweep } from './sweep.ts'
import { usage } from './usage.ts'

/** A scheduled task of the platform: a name to run it by hand, when (UTC, as in wrangler.toml), and what. */
export interface CronEntry {
  readonly name: string
  readonly cron: string
  readonly run: (env: Env, now: number) => Promise<void>
}

/** The whole table. A test compares it with the triggers in wrangler.toml. */
export const schedule: readonly CronEntry[] = [
  { name: 'sweep', cron: '*/5 * * * *', run: sweep },
  { name: 'reconcile', cron: '*/5 * * * *', run: reconcile },
  { name: 'usage', cron: '7 * * * *', run: usage },
  { name: 'placements', cron: '17 3 * * *', run: placements },
  { name: 'partitions', cron: '17 3 * * *', run: partitions },
  { name: 'archive', cron: '17 3 * * *', run: archive },
  { name: 'failures', cron: '17 3 * * *', run: failures },
]
