import { Cron } from 'croner'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { afterGap, changeNear, instantsOf, isZone, wallAt } from '../../kernel/zone.ts'

/**
 * When to run, by the clocks of a place. Where they are set forward over a time of the expression, `gap` says whether
 * that run is left out or comes as soon as the gap is over; where they are set back and show it twice, `overlap` says
 * whether it runs at the first showing or at both. An expression whose hours begin with `*` means "ever so often" and
 * not a time of day: it runs whenever clocks match, over a change as on any day (as in Vixie cron).
 */
export interface CronRule {
  /** Five fields as in crontab(5): minute, hour, day of month, month, day of week; or a name such as `@daily`. */
  readonly cron: string
  readonly timeZone: string
  readonly gap: 'skip' | 'shift'
  readonly overlap: 'first' | 'both'
}

/** Why a rule cannot be used, or undefined. `now` because one that never comes again is refused too. */
export function badRule(rule: CronRule, now: number): string | undefined {
  if (!isZone(rule.timeZone)) return `timeZone: ${rule.timeZone} is no IANA time zone, such as Europe/Berlin`
  if (!isReadable(rule.cron)) return `cron: ${badField(fieldsOf(rule.cron))}`
  return nextInstant(rule, now) === undefined ? 'cron: it never comes' : undefined
}

/** The first instant after `after` (milliseconds since the epoch) at which the rule says to run. */
export function nextInstant(rule: CronRule, after: number): number | undefined {
  const { timeZone } = rule
  const { cron, often } = pattern(rule.cron)
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

const named: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

const fieldsOf = (cron: string): string[] => {
  const text = cron.trim()
  const known = Object.entries(named).find(([name]) => name === text.toLowerCase())?.[1] ?? text
  return known === '' ? [] : known.split(/\s+/)
}

const fieldRules = [
  ['minute', '0 to 59'],
  ['hour', '0 to 23'],
  ['day of month', '1 to 31'],
  ['month', '1 to 12 or JAN to DEC'],
  ['day of week', '0 to 7 (0 and 7 are Sunday) or SUN to SAT'],
] as const

/** Why an expression cannot be read, with the field as it was written. */
function badField(fields: readonly string[]): string {
  const [first = ''] = fields
  if (first.startsWith('@')) return `"${first}" is not known; give ${Object.keys(named).join(', ')} or five fields`
  if (fields.length !== fieldRules.length)
    return `five fields (${fieldRules.map(([name]) => name).join(', ')}), got ${fields.length}`
  for (const [index, [name, values]] of fieldRules.entries()) {
    const alone = fieldRules.map((_, at) => (at === index ? fields[index] : '*')).join(' ')
    if (!isReadable(alone))
      return `${name} "${fields[index]}": give ${values}, *, a range (1-5), a list (1,3) or a step (*/2)`
  }
  return `"${fields.join(' ')}" is not an expression of crontab(5)`
}

function isReadable(cron: string): boolean {
  try {
    pattern(cron)
    return true
  } catch {
    return false
  }
}

interface Pattern {
  readonly cron: Cron
  /** Whether the hours begin with `*`. */
  readonly often: boolean
}

const patterns = new BoundedMap<string, Pattern>(1000)

/** As crontab(5) has it, a day must match both of its fields where one begins with `*`, and else either of them. */
function pattern(text: string): Pattern {
  const known = patterns.get(text)
  if (known !== undefined) return known
  const fields = fieldsOf(text)
  const [, hour, dayOfMonth, , dayOfWeek] = fields
  const domAndDow = [dayOfMonth, dayOfWeek].some((field) => field?.startsWith('*'))
  // By offset and not by zone: croner would ask Intl about UTC at every step.
  const cron = new Cron(fields.join(' '), { utcOffset: 0, mode: '5-part', domAndDow, paused: true })
  const read = { cron, often: hour?.startsWith('*') === true }
  patterns.set(text, read)
  return read
}
