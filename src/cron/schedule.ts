import type { Env } from '../env.ts'
import { archive, archiveDue } from './archive.ts'
import { countAllConnections, countConnectionsDue } from './connections.ts'
import { failures, failuresDue } from './failures.ts'
import { partitions, partitionsDue } from './partitions.ts'
import { placements, placementsDue } from './placements.ts'
import { listAllQueues } from './queues.ts'
import { reconcile, reconcileDue } from './reconcile.ts'
import { fillNothing, fillSearches } from './search.ts'
import { sweep, sweepDue } from './sweep.ts'
import { usage, usageDue } from './usage.ts'
import { warm } from './warm.ts'

/** A scheduled task of the platform: a name to run it by hand, when (UTC, as in wrangler.toml), and what. */
export interface CronEntry {
  readonly name: string
  readonly cron: string
  /** What the clock starts: visits only what is on the platform's list. */
  readonly runDue: (env: Env, now: number) => Promise<void>
  /** By hand: visits everything. */
  readonly run: (env: Env, now: number) => Promise<void>
  /** What the main Worker does before a task is run by hand in the Worker of its context. */
  readonly prepare?: (env: Env) => Promise<void>
}

/** The whole table. A test compares it with the triggers in wrangler.toml. */
export const schedule: readonly CronEntry[] = [
  { name: 'sweep', cron: '*/5 * * * *', runDue: sweepDue, run: sweep, prepare: listAllQueues },
  { name: 'connections', cron: '*/5 * * * *', runDue: countConnectionsDue, run: countAllConnections },
  { name: 'reconcile', cron: '*/5 * * * *', runDue: reconcileDue, run: reconcile },
  { name: 'warm', cron: '*/5 * * * *', runDue: warm, run: warm },
  { name: 'usage', cron: '7 * * * *', runDue: usageDue, run: usage },
  { name: 'placements', cron: '17 3 * * *', runDue: placementsDue, run: placements },
  { name: 'partitions', cron: '17 3 * * *', runDue: partitionsDue, run: partitions },
  { name: 'archive', cron: '17 3 * * *', runDue: archiveDue, run: archive },
  { name: 'search', cron: '17 3 * * *', runDue: fillNothing, run: fillSearches },
  { name: 'failures', cron: '17 3 * * *', runDue: failuresDue, run: failures, prepare: listAllQueues },
]
