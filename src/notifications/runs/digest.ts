import { hash32 } from '../../kernel/id.ts'
import type { DigestStep } from '../model.ts'
import { nextTimeOfDay } from '../times/send-at.ts'
import {
  endOf,
  isOpen,
  note,
  type DigestWait,
  type Follower,
  type OpenWindow,
  type Run,
  type RunContext,
  type RunStorage,
} from './run.ts'

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

/** Keys of windows whose runs are counted when they are read begin with it; an earlier version finds no window under such a key. */
const counted = '+'
/** By so much an earlier version would close a window late, in milliseconds: longer than two versions run side by side. */
const laterMs = 7_200_000
/** A leader is written with all runs that are counted once in so many, so that no count reads more. */
const countEvery = 100

/**
 * Lets a run reach a digest step. It is gathered into the run whose window is open, and then ends; or it opens a window, and
 * goes on for all of it when the window closes. A window whose time is over takes no more runs, even before its run went on.
 * A run that is gathered is written itself, and its leader is not: that is counted when it is read (`countFollowers`).
 * Returns whether the run has been gathered.
 */
export function gather(context: RunContext, name: string, step: DigestStep, key: string): boolean {
  const { run, now, storage } = context
  const open = storage.window(counted + key) ?? countedFromNow(storage, key)
  if (open !== undefined && open.run !== run.id) {
    if (now < open.closesAt) {
      join(run, open, now, name)
      if (open.last % countEvery === countEvery - 1) changeRun(storage, open.run, () => undefined)
      return true
    }
    changeRun(storage, open.run, ({ wait }) => wait?.kind === 'digest' && (wait.key = null))
  }
  run.wait = windowOf(context, step, counted + key)
  note(run, now, 'digest', `opened a window until ${new Date(endOf(run.wait)).toISOString()}`, name)
  return false
}

/** A window that an earlier version opened under this key, from now on one of this version. */
function countedFromNow(storage: RunStorage, key: string): OpenWindow | undefined {
  const open = storage.window(key)
  if (open === undefined) return undefined
  changeRun(storage, open.run, ({ wait }) => {
    if (wait?.kind === 'digest')
      Object.assign(wait, { key: counted + key, closesAt: wait.until, until: wait.until + laterMs })
  })
  return open
}

function changeRun(storage: RunStorage, id: string, change: (run: Run) => unknown): void {
  const run = storage.run(id)
  if (run === undefined) return
  change(run)
  storage.saveRun(run)
}

/** When a window ends, of which the newest run was gathered at this time. */
export const closingTime = (wait: DigestWait, lastAt: number | undefined): number =>
  Math.max(endOf(wait), prolonged(wait, lastAt))

/** The end of a window that no run prolongs. */
export const fixedEndOf = ({ wait }: Run): number | undefined =>
  wait?.kind === 'digest' && wait.slideMs === undefined ? wait.closesAt : undefined

/** When a sliding window ends at least after a run was gathered at this time. */
const prolonged = ({ slideMs, maxUntil = Infinity }: DigestWait, at: number | undefined): number =>
  slideMs === undefined || at === undefined ? 0 : Math.min(maxUntil, at + slideMs)

/** Counts runs that were gathered and are not counted yet, those behind number `followers` in their order. */
export function countFollowers(run: Run, followers: Iterable<Follower>): void {
  const { wait } = run
  for (const { n, at, events } of followers) {
    run.followers = n
    run.events += events
    if (wait?.kind === 'digest' && wait.closesAt !== undefined)
      wait.closesAt = Math.max(wait.closesAt, prolonged(wait, at))
  }
}

/** Whether runs may have been gathered that are not counted. */
export const mayHaveUncounted = ({ wait }: Run): boolean => wait?.kind === 'digest' && wait.closesAt !== undefined

function join(run: Run, { run: leader, last }: OpenWindow, now: number, name: string): void {
  run.gatheredInto = { run: leader, n: last + 1, at: now }
  run.outcome = 'gathered'
  run.step = null
  note(run, now, 'digest', `gathered into ${leader}`, name)
}

function windowOf({ now, profile, tenantZone }: RunContext, { window }: DigestStep, key: string): DigestWait {
  const open = (closesAt: number): DigestWait => ({ kind: 'digest', key, closesAt, until: closesAt + laterMs })
  if (window.kind === 'until') return open(nextTimeOfDay(profile.zone ?? tenantZone ?? 'UTC', now, window))
  const until = now + window.seconds * 1000
  if (window.kind === 'fixed') return open(until)
  const maxUntil = now + window.maxSeconds * 1000
  return { ...open(Math.min(until, maxUntil)), slideMs: window.seconds * 1000, maxUntil }
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
