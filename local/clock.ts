import { Cron } from 'croner'
import type { Operator } from './operator.ts'

/** Rings the Worker's schedule as Cloudflare's cron triggers would, in UTC. Returns how to stop it. */
export async function startClock(operator: Pick<Operator, 'schedule' | 'runCron'>): Promise<() => void> {
  const entries = await operator.schedule()
  let isStopped = false
  // What was under way at the end fails by the end, and is nobody's news.
  const failed = (name: string) => (thrown: unknown) => {
    if (!isStopped) console.error(`cron ${name}:`, thrown)
  }
  const timers = entries.map(
    ({ name, cron }) =>
      new Cron(cron, { timezone: 'UTC', protect: true, unref: true }, async () => {
        await operator.runCron(name).catch(failed(name))
      }),
  )
  return () => {
    isStopped = true
    timers.forEach((timer) => timer.stop())
  }
}
