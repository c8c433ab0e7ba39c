import type { FacadeDefinition } from '../protocol/facade-api.ts'
import { percentAt } from './choose.ts'
import type { Judgement } from './judge.ts'
import type { PublishedRoute } from './route.ts'

/** A route as its actor stores it. */
export interface StoredRoute extends PublishedRoute {
  readonly changedAt: number
  /** Since when its percent is in force. */
  readonly since: number
}

/** A change of percent comes into force so many milliseconds later, when all processes know of it. */
export const switchMs = 3000

/** What a change may set; the version and times follow. */
type Wanted = Partial<Pick<StoredRoute, 'state' | 'percent' | 'definition'>>

/** The next version of a route. A larger or smaller percent waits until all processes know of it; leaving the new side does not. */
function changed(route: StoredRoute, wanted: Wanted, now: number): StoredRoute {
  const next = { ...route, ...wanted, version: route.version + 1, changedAt: now }
  const before = percentAt(route, now)
  const isSwitched = next.state === 'active' && next.percent !== before
  return isSwitched
    ? { ...next, before: { percent: before, until: now + switchMs }, since: now + switchMs }
    : { ...next, before: null, since: now }
}

/** A route as it is put: undefined when nothing changes. Without a percent the share stays, and so does a kill. */
export function putRoute(
  known: StoredRoute | undefined,
  name: string,
  { definition, percent }: { readonly definition: FacadeDefinition; readonly percent?: number | undefined },
  now: number,
): StoredRoute | undefined {
  if (known === undefined) {
    const first = { name, version: 1, state: 'active', percent: percent ?? 0, definition } as const
    return { ...first, before: null, changedAt: now, since: now }
  }
  const wanted = { definition, percent: percent ?? known.percent }
  const isSame =
    known.percent === wanted.percent && JSON.stringify(known.definition) === JSON.stringify(wanted.definition)
  return isSame ? undefined : changed(known, wanted, now)
}

/** Everything goes to legacy. */
export const killRoute = (route: StoredRoute, now: number): StoredRoute => changed(route, { state: 'killed' }, now)
export const rollBackRoute = (route: StoredRoute, now: number): StoredRoute =>
  changed(route, { state: 'rolled-back' }, now)

/** The route applies again: after a kill with the share from before, after a rollback with none, unless one is given. */
export const resumeRoute = (route: StoredRoute, percent: number | undefined, now: number): StoredRoute =>
  changed(route, { state: 'active', percent: percent ?? (route.state === 'rolled-back' ? 0 : route.percent) }, now)

/** The percent of the next step; undefined when there is none. */
export function nextStep({ state, percent, definition: { schedule } }: StoredRoute): number | undefined {
  return state === 'active' ? schedule?.steps.find((step) => step > percent) : undefined
}

/** When the next step is due at the earliest; undefined when there is none. */
export const nextStepAt = (route: StoredRoute): number | undefined =>
  nextStep(route) === undefined ? undefined : route.since + 1000 * (route.definition.schedule?.stepSeconds ?? 0)

/** The route after its next step, when that is due and the new side is healthy; undefined otherwise. */
export function stepRoute(route: StoredRoute, judged: Judgement, now: number): StoredRoute | undefined {
  const percent = nextStep(route)
  const dueAt = nextStepAt(route)
  if (percent === undefined || dueAt === undefined || now < dueAt) return undefined
  // With no key on the new side there is nothing to judge.
  const isHealthy = judged.kind === 'healthy' || (judged.kind === 'unknown' && route.percent === 0)
  return isHealthy ? changed(route, { percent }, now) : undefined
}

/** Headers that change while a user stays the same, or that a facade does not pass on. */
const noKeys: Readonly<Record<string, string>> = {
  authorization: 'changes with every token; use {"from": "user"}',
  cookie: 'changes with every cookie; use {"from": "cookie", "name": …}',
  host: 'is the same for all users',
}

/** Why a route cannot be used, or undefined. The addresses themselves are checked by the caller. */
export function badRoute({ legacy, new: next, key, rollback, schedule }: FacadeDefinition): string | undefined {
  for (const [field, { url }] of Object.entries({ legacy, new: next })) {
    if (!URL.canParse(url)) return `${field}.url: not a URL`
    const { search, hash } = new URL(url)
    if (search !== '' || hash !== '') return `${field}.url: must have no query and no fragment; they come from requests`
  }
  if (new URL(legacy.url).href === new URL(next.url).href) return 'new.url: must not be the address of legacy'
  if (key.from === 'header' && 'name' in key) {
    const reason = noKeys[key.name.toLowerCase()]
    if (reason !== undefined) return `key.name: ${key.name} ${reason}`
  }
  if (schedule === null) return undefined
  if (rollback === null) return 'schedule: needs rollback, whose margins say what is healthy'
  const falls = schedule.steps.findIndex((step, place) => place > 0 && step <= (schedule.steps[place - 1] ?? 0))
  return falls < 0 ? undefined : `schedule.steps.${falls}: must be larger than the step before it`
}
