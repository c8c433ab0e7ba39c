import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { schedule } from './schedule.ts'

/** Runs the entries of one cron expression independently: a failing entry is logged and does not stop the others. */
export async function runCron(env: Env, cron: string, now: number): Promise<void> {
  const due = schedule.filter((entry) => entry.cron === cron)
  if (due.length === 0) log.error('cron.unknown', { cron })
  await Promise.all(
    due.map(async ({ name, runDue }) => {
      try {
        await runDue(env, now)
      } catch (thrown) {
        log.error('cron.failed', { name, reason: reasonOf(thrown) })
      }
    }),
  )
}
