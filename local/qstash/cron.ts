import { Cron } from 'croner'
import { badRequest } from './refusal.ts'

const withTimezone = /^(?:CRON_TZ|TZ)=(\S+)\s+(.+)$/

/** The instant (unix ms) at which `cron` fires next, strictly after `after`; undefined when it never does again. */
export function nextInstant(cron: string, after: number): number | undefined {
  const [, timezone = 'UTC', pattern = cron] = withTimezone.exec(cron) ?? []
  return new Cron(pattern.trim(), { timezone, mode: '5-part' }).nextRun(new Date(after))?.getTime()
}

/** Throws a 400 unless `cron` is five fields (the finest step is a minute), `CRON_TZ=<zone>` before them if wanted. */
export function checkCron(cron: string, now: number): void {
  try {
    nextInstant(cron, now)
  } catch (error) {
    throw badRequest(`invalid cron expression: ${error instanceof Error ? error.message : String(error)}`)
  }
}
