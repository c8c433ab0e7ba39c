import { Cron } from 'croner'
import type { Operator } from './operator.ts'

/** Rings the Worker's schedule as Cloudflare's cron triggers would, in UTC. Returns how to stop it. */
export async function startClock(operator: Operator): Promise<() => void> {
  const entries = await operator.schedule()
  const timers = entries.map(
    ({ name, cron }) =>
      new Cron(cron, { timezone: 'UTC', protect: true, unref: true }, async () => {
        await operator.runCron(name).catch((thrown: unknown) => console.error(`cron ${name}:`, thrown))
      }),
  )
  return () => timers.forEach((timer) => timer.stop())
}
