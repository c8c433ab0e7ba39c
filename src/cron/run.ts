import { callContext, isHere, workerOf } from '../adapters/contexts.ts'
import { contextOfCron } from '../contexts.ts'
import type { Env } from '../env.ts'
import { systemClock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { schedule } from './schedule.ts'

/** How long a task by hand may take in the Worker of its context; the archive of a month may take minutes. */
const byHandMs = 600_000

/**
 * Runs the entries of one cron expression whose context is here, independently: a failing entry is logged and does not stop the
 * others.
 */
export async function runCron(env: Env, cron: string, now: number): Promise<void> {
  const due = schedule.filter((entry) => entry.cron === cron)
  if (due.length === 0) log.error('cron.unknown', { cron })
  await Promise.all(
    due.map(async ({ name, runDue }) => {
      try {
        if (isHere(env, contextOfCron(name))) await runDue(env, now)
      } catch (thrown) {
        log.error('cron.failed', { name, reason: reasonOf(thrown) })
      }
    }),
  )
}

/** Runs an entry by hand, in the Worker of its context; false when there is none of that name. */
export async function runByHand(env: Env, name: string): Promise<boolean> {
  const entry = schedule.find((each) => each.name === name)
  if (entry === undefined) return false
  await entry.prepare?.(env)
  const context = contextOfCron(name)
  const worker = workerOf(env, context)
  if (worker === undefined) await entry.run(env, systemClock.now())
  else await callContext(env, context, { deadlineMs: byHandMs, isRepeatable: false }, () => worker.runCron(name))
  return true
}

/** Runs an entry of a context of this Worker. */
export async function runEntry(env: Env, name: string): Promise<void> {
  await schedule.find((each) => each.name === name)?.run(env, systemClock.now())
}
