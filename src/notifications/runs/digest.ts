import { hash32 } from '../../kernel/id.ts'
import type { DigestStep } from '../model.ts'
import { nextTimeOfDay } from '../times/send-at.ts'
import { isOpen, note, type Run, type RunContext, type RunStorage, type RunWait } from './run.ts'

type Gathering = Extract<RunWait, { kind: 'digest' }>

const keyLength = 200

/** The name under which runs with one value of a key meet, at one step of one workflow. */
export function keyFor(run: Run, step: string, value: unknown): string {
  const text = value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
  const shown =
    text.length <= keyLength
      ? text
      : `${text.slice(0, keyLength)}~${hash32(text).toString(36)}${hash32(text, 0x5bd1e995).toString(36)}${text.length}`
  return `${run.workflow}/${step}/${shown}`
}

/**
 * Lets a run reach a digest step. It is gathered into the run whose window is open, and then ends; or it opens a window, and
 * goes on for all of it when the window closes. A window whose time is over takes no more runs, even before its run went on.
 * Returns whether the run has been gathered.
 */
export function gather(context: RunContext, name: string, step: DigestStep, key: string): boolean {
  const { run, now, storage } = context
  const leader = storage.gathering(key)
  if (leader !== undefined && leader.id !== run.id && leader.wait?.kind === 'digest') {
    const { wait } = leader
    if (now < wait.until) {
      join(run, leader, wait, now, name)
      storage.saveRun(leader)
      return true
    }
    wait.key = null
    storage.saveRun(leader)
  }
  run.wait = windowOf(context, step, key)
  note(run, now, 'digest', `opened a window until ${new Date(run.wait.until).toISOString()}`, name)
  return false
}

function join(run: Run, leader: Run, wait: Gathering, now: number, name: string): void {
  leader.followers++
  leader.events += run.events
  if (wait.slideMs !== undefined)
    wait.until = Math.min(wait.maxUntil ?? Infinity, Math.max(wait.until, now + wait.slideMs))
  run.gatheredInto = { run: leader.id, n: leader.followers }
  run.outcome = 'gathered'
  run.step = null
  note(run, now, 'digest', `gathered into ${leader.id}`, name)
}

function windowOf({ now, profile, tenantZone }: RunContext, { window }: DigestStep, key: string): Gathering {
  if (window.kind === 'until')
    return { kind: 'digest', key, until: nextTimeOfDay(profile.zone ?? tenantZone ?? 'UTC', now, window) }
  const until = now + window.seconds * 1000
  if (window.kind === 'fixed') return { kind: 'digest', key, until }
  const maxUntil = now + window.maxSeconds * 1000
  return { kind: 'digest', key, until: Math.min(until, maxUntil), slideMs: window.seconds * 1000, maxUntil }
}

/** Takes canceled notifications out of the run that goes on for them, and of the one that goes on for that one. */
export function leaveDigest(run: Run, events: number, storage: RunStorage, now: number): void {
  if (run.gatheredInto === null) return
  const leader = storage.run(run.gatheredInto.run)
  if (leader === undefined || (leader.endedAt > 0 && leader.outcome !== 'gathered')) return
  leader.events -= events
  if (leader.events <= 0) endCanceled(leader, now, 'all notifications that it gathered were canceled')
  leaveDigest(leader, events, storage, now)
  storage.saveRun(leader)
}

/** Ends the steps of a run, and the deliveries that were not begun. One under way may be sent; it is not repeated. */
export function endCanceled(run: Run, now: number, reason: string): void {
  run.outcome = 'canceled'
  run.step = null
  run.wait = null
  for (const delivery of run.deliveries)
    if (delivery.state === 'waiting') Object.assign(delivery, { state: 'canceled', reason })
  note(run, now, 'canceled', reason)
  if (!run.deliveries.some(isOpen)) run.endedAt = now
}
