import { routeReport, type RouteReport } from '../../src/facade/outcomes.ts'
import {
  killRoute,
  nextStepAt,
  putRoute,
  resumeRoute,
  rollBackRoute,
  stepRoute,
  type StoredRoute,
} from '../../src/facade/rollout.ts'
import { facadeTag, type PublishedRoute } from '../../src/facade/route.ts'
import { RouteWindow } from '../../src/facade/route-window.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log } from '../../src/kernel/log.ts'
import type { DifferenceReport, FacadeDefinition } from '../../src/protocol/facade-api.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { cacheEpochsOf, ownName } from '../address.ts'
import type { FacadeFigures, FacadeRpc, FacadeVersion } from '../contracts.ts'
import { AlarmTasks } from '../shared/alarm-tasks.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { RouteTable } from './route-table.ts'
import { facadeSchema } from './schema.ts'

/** Changes of routes: how many there were, and of how many caches know. */
const changesKey = 'changes'
const invalidatedKey = 'invalidated'
/** A step that waits for more calls, or for better ones, is looked at again after this time. */
const lookAgainMs = 5000

/** The routes of one tenant's facade. Gathers what processes report, rolls back, steps up, and keeps every version. */
export class Facade extends TenantActor implements FacadeRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'facade')
  readonly #kv = this.ctx.storage.kv
  readonly #windows = new Map<string, RouteWindow>()
  #table = isUsed(this.ctx.storage.sql) ? new RouteTable(this.ctx.storage.sql) : undefined
  /** Steps are looked at not before. */
  #lookAt = 0
  readonly #tasks = new AlarmTasks(this.#place.alarm, [
    { name: 'caches', isPending: () => this.#isCachedOlder(), run: () => this.#invalidateCaches() },
    {
      name: 'steps',
      isPending: () => this.#nextStepAt() !== undefined,
      dueAt: () => Math.max(this.#lookAt, this.#nextStepAt() ?? 0),
      run: () => this.#step(),
    },
  ])

  /** All routes, as processes use them. */
  published(): PublishedRoute[] {
    return (this.#table?.all ?? []).map(({ name, version, state, percent, before, definition }) => ({
      name,
      version,
      state,
      percent,
      before,
      definition,
    }))
  }

  /** Creates a route, or changes it; the same again changes nothing. */
  put(name: string, definition: FacadeDefinition, percent: number | undefined, by: string): FacadeFigures | Refusal {
    const table = this.#create()
    const now = this.#clock.now()
    const known = table.find(name)
    const next = putRoute(known, name, { definition, percent }, now)
    const refusal = next === undefined ? undefined : table.refuseFull(next)
    if (refusal !== undefined) return refusal
    if (next !== undefined) this.#write(next, 'put', by, null)
    return this.find(name) ?? noRoute(name)
  }

  kill(name: string, reason: string, by: string): FacadeFigures | Refusal {
    return this.#change(name, 'kill', by, reason, (route, now) => killRoute(route, now))
  }

  resume(name: string, percent: number | undefined, reason: string, by: string): FacadeFigures | Refusal {
    return this.#change(name, 'resume', by, reason, (route, now) => resumeRoute(route, percent, now))
  }

  remove(name: string): boolean {
    if (this.#table?.find(name) === undefined) return false
    this.#table.remove(name)
    this.#windows.delete(name)
    this.#changed()
    return true
  }

  /** A route with what processes reported of it. */
  find(name: string): FacadeFigures | undefined {
    const route = this.#table?.find(name)
    if (route === undefined) return undefined
    const nextAt = nextStepAt(route)
    return {
      kind: 'route',
      route,
      nextStepAt: nextAt ?? null,
      window: this.#window(route).figures(this.#clock.now()),
    }
  }

  /** Routes after a name. */
  list(after: string, limit: number): StoredRoute[] {
    return (this.#table?.all ?? []).filter(({ name }) => name > after).slice(0, limit)
  }

  /** What changed the route, the newest first; undefined when there is no such route. */
  versions(name: string, before: number, limit: number): FacadeVersion[] | undefined {
    return this.#table?.find(name) === undefined ? undefined : this.#table.versions(name, before, limit)
  }

  /** Shadowed requests whose answers differ, the newest first; undefined when there is no such route. */
  differences(name: string, before: number, limit: number): (DifferenceReport & { readonly id: number })[] | undefined {
    return this.#table?.find(name) === undefined ? undefined : this.#table.differences(name, before, limit)
  }

  /** Takes in what a process counted, and rolls back routes whose new side is worse. */
  report(given: readonly RouteReport[]): void {
    this.#place.used()
    const now = this.#clock.now()
    for (const one of given) {
      const report = routeReport.parse(one)
      const route = this.#table?.find(report.route)
      if (route === undefined) continue
      for (const difference of report.differences) this.#table?.addDifference(route.name, difference)
      const window = this.#window(route)
      window.add(report, now)
      const judged = route.state === 'active' ? window.judge(now) : undefined
      if (judged?.kind === 'worse') this.#rollBack(route, judged.reason, now)
    }
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    await this.#tasks.run(this.#clock.now(), 0)
  }

  #change(
    name: string,
    action: 'kill' | 'resume',
    by: string,
    reason: string,
    change: (route: StoredRoute, now: number) => StoredRoute,
  ): FacadeFigures | Refusal {
    const route = this.#table?.find(name)
    if (route === undefined) return noRoute(name)
    const isThere = action === 'kill' ? route.state === 'killed' : route.state === 'active'
    if (!isThere) this.#write(change(route, this.#clock.now()), action, by, reason)
    return this.find(name) ?? noRoute(name)
  }

  #rollBack(route: StoredRoute, reason: string, now: number): void {
    const { tenant } = ownName(this.ctx.id.name)
    log.warn('facade.rolled-back', { tenant, route: route.name, percent: route.percent, reason })
    this.#write(rollBackRoute(route, now), 'rollback', 'rollback', reason)
  }

  /** Steps up the routes that are due and healthy; the others are looked at again. */
  async #step(): Promise<void> {
    const now = this.#clock.now()
    this.#lookAt = now + lookAgainMs
    for (const route of this.#table?.all ?? []) {
      const next = stepRoute(route, this.#window(route).judge(now), now)
      if (next === undefined) continue
      const { tenant } = ownName(this.ctx.id.name)
      log.info('facade.stepped', { tenant, route: next.name, percent: next.percent })
      this.#write(next, 'step', 'schedule', null)
    }
  }

  #window(route: StoredRoute): RouteWindow {
    const known = this.#windows.get(route.name)
    if (known?.version === route.version) return known
    const made = new RouteWindow(route, known)
    this.#windows.set(route.name, made)
    return made
  }

  #nextStepAt(): number | undefined {
    const times = (this.#table?.all ?? []).map(nextStepAt).filter((at) => at !== undefined)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  #write(route: StoredRoute, action: FacadeVersion['action'], by: string, reason: string | null): void {
    this.#create().write(route, { action, by, reason })
    this.#changed()
  }

  /** Processes have to be told, at once, and steps may be due at other times. */
  #changed(): void {
    this.#kv.put(changesKey, (this.#kv.get<number>(changesKey) ?? 0) + 1)
    const now = this.#clock.now()
    this.#tasks.schedule(now, 0)
    this.#tasks.scheduleGathering(now, 0)
  }

  #isCachedOlder(): boolean {
    return (this.#kv.get<number>(invalidatedKey) ?? 0) < (this.#kv.get<number>(changesKey) ?? 0)
  }

  /** A request that changes a route does the same before it is answered; this is for steps, rollbacks, and requests that were cut off. */
  async #invalidateCaches(): Promise<void> {
    const changes = this.#kv.get<number>(changesKey) ?? 0
    await cacheEpochsOf(this.env).invalidate([facadeTag(ownName(this.ctx.id.name).tenant)], undefined)
    this.#kv.put(invalidatedKey, changes)
  }

  #create(): RouteTable {
    this.#place.used()
    if (this.#table !== undefined) return this.#table
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.ctx.storage.sql, facadeSchema)
    this.#table = new RouteTable(this.ctx.storage.sql)
    return this.#table
  }
}

const noRoute = (name: string): Refusal =>
  refuse('notFound', `name: there is no route ${name}; PUT /v1/facade-routes/${name} creates it`)
