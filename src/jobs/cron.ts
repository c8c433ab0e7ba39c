import { Cron } from 'croner'
import { afterGap, changeNear, instantsOf, isZone, wallAt } from './zone.ts'

/**
 * When to run, by the clocks of a place. Where they are set forward over a time of the expression, `gap` says whether
 * that run is left out or comes as soon as the gap is over; where they are set back and show it twice, `overlap` says
 * whether it runs at the first showing or at both. An expression whose hours begin with `*` means "ever so often" and
 * not a time of day: it runs whenever clocks match, over a change as on any day (as in Vixie cron).
 */
export interface CronRule {
  /** Five fields as in crontab(5): minute, hour, day of month, month, day of week. */
  readonly cron: string
  readonly timeZone: string
  readonly gap: 'skip' | 'shift'
  readonly overlap: 'first' | 'both'
}

/** Why a rule cannot be used, or undefined. `now` because one that never comes again is refused too. */
export function badRule(rule: CronRule, now: number): string | undefined {
  if (!isZone(rule.timeZone)) return `timeZone: ${rule.timeZone} is no IANA time zone, such as Europe/Berlin`
  try {
    pattern(rule.cron)
  } catch (thrown) {
    return `cron: ${thrown instanceof Error ? thrown.message : 'not an expression'}`
  }
  return nextInstant(rule, now) === undefined ? 'cron: it never comes' : undefined
}

/** The first instant after `after` (milliseconds since the epoch) at which the rule says to run. */
export function nextInstant(rule: CronRule, after: number): number | undefined {
  const { timeZone } = rule
  const cron = pattern(rule.cron)
  const often = isEverSoOften(rule.cron)
  // Clocks that were or will be set show walls out of order, but never by more than they are set.
  let wall = wallAt(timeZone, after) - changeNear(timeZone, after)
  let best: number | undefined
  let until = Infinity
  while (wall <= until) {
    const next = cron.nextRun(new Date(wall))
    if (next === null) break
    wall = next.getTime()
    for (const instant of instantsFor(rule, wall, often)) {
      if (instant <= after || (best !== undefined && instant >= best)) continue
      best = instant
      until = Math.min(until, wall + changeNear(timeZone, instant))
    }
  }
  return best
}

function instantsFor({ timeZone, gap, overlap }: CronRule, wall: number, often: boolean): number[] {
  const instants = instantsOf(timeZone, wall)
  if (often || instants.length === 1) return instants
  if (instants.length === 0) return gap === 'skip' ? [] : [afterGap(timeZone, wall)]
  return overlap === 'both' ? instants : instants.slice(0, 1)
}

const isEverSoOften = (cron: string): boolean => (cron.trim().split(/\s+/)[1] ?? '').startsWith('*')

const patterns = new Map<string, Cron>()
const mostPatterns = 1000

function pattern(cron: string): Cron {
  const known = patterns.get(cron)
  if (known !== undefined) return known
  // By offset and not by zone: croner would ask Intl about UTC at every step.
  const read = new Cron(cron.trim(), { utcOffset: 0, mode: '5-part', paused: true })
  if (patterns.size >= mostPatterns) patterns.clear()
  patterns.set(cron, read)
  return read
}
