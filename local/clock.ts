import { Cron } from 'croner'
import type { Running } from './workerd.ts'

/**
 * Runs the Worker's `scheduled` handler for each cron expression when it is due, in UTC, as Cloudflare's cron triggers
 * do. Returns how to stop it.
 */
export function startClock(crons: readonly string[], { scheduled }: Pick<Running, 'scheduled'>): () => void {
  let isStopped = false
  const timers = crons.map(
    (cron) =>
      new Cron(cron, { timezone: 'UTC', protect: true, unref: true }, async (timer) => {
        try {
          await scheduled(cron, timer.currentRun() ?? new Date())
        } catch (thrown) {
          // A run that the end of the system interrupts is no failure.
          if (!isStopped) console.error(`cron ${cron}:`, thrown)
        }
      }),
  )
  return () => {
    isStopped = true
    timers.forEach((timer) => timer.stop())
  }
}
