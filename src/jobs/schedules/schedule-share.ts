import { byteLength } from '../../kernel/text.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { JobStore } from '../queue/job-store.ts'
import type { Schedule } from './schedule.ts'

/** Schedules of one tenant in all its queues together, and what they may weigh. */
export const maxSchedules = 10_000
export const maxScheduleBytes = 16 * 1024 * 1024

/** How many schedules there are, and their bytes as they are stored. */
export interface ScheduleShare {
  readonly schedules: number
  readonly bytes: number
}

/** What a schedule is stored with beside what was given: its times and its note, in bytes. */
const overheadBytes = 400

/** What a queue's schedules come to once `wanted` is among them. */
export function shareWith(books: JobStore, wanted: Pick<Schedule, 'name' | 'when' | 'job'>): ScheduleShare {
  const { schedules, bytes } = books.scheduleShare()
  const known = books.scheduleBytes(wanted.name)
  return {
    schedules: schedules + (known === undefined ? 1 : 0),
    bytes: bytes - (known ?? 0) + byteLength(JSON.stringify(wanted)) + overheadBytes,
  }
}

/** Refuses what would make a tenant's schedules too many or too large; what makes nothing larger is always allowed. */
export function refuseShare(before: ScheduleShare, after: ScheduleShare, others: ScheduleShare): Refusal | undefined {
  if (after.schedules > before.schedules && after.schedules + others.schedules > maxSchedules)
    return refuse('limitExceeded', `schedules: at most ${maxSchedules} of a tenant; delete one first`)
  if (after.bytes > before.bytes && after.bytes + others.bytes > maxScheduleBytes)
    return refuse(
      'limitExceeded',
      `schedules: at most ${maxScheduleBytes} bytes of a tenant, payloads included; delete one or give a smaller payload`,
    )
  return undefined
}
