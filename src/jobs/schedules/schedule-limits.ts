import { byteLength } from '../../kernel/text.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { ScheduleSpec, ScheduleStore, ScheduleUsage } from './schedule.ts'

/** Schedules of one tenant in all its queues together, and their bytes. */
export const maxSchedules = 10_000
export const maxScheduleBytes = 16 * 1024 * 1024

/** Bytes of what a queue keeps of a schedule's runs: its times and its note. */
const overheadBytes = 400

/** The usage of a queue once `spec` is put. */
export function usageWith(schedules: ScheduleStore, spec: ScheduleSpec): ScheduleUsage {
  const before = schedules.usage()
  const known = schedules.bytesOf(spec.name)
  return {
    schedules: before.schedules + (known === undefined ? 1 : 0),
    bytes: before.bytes - (known ?? 0) + byteLength(JSON.stringify(spec)) + overheadBytes,
  }
}

/** Refuses a change that makes a tenant's schedules too many or too large; one that makes them no larger is always allowed. */
export function refuseUsage(before: ScheduleUsage, after: ScheduleUsage, others: ScheduleUsage): Refusal | undefined {
  if (after.schedules > before.schedules && after.schedules + others.schedules > maxSchedules)
    return refuse('limitExceeded', `schedules: at most ${maxSchedules} of a tenant; delete one first`)
  if (after.bytes > before.bytes && after.bytes + others.bytes > maxScheduleBytes)
    return refuse(
      'limitExceeded',
      `schedules: at most ${maxScheduleBytes} bytes of a tenant, payloads included; delete one or give a smaller payload`,
    )
  return undefined
}
