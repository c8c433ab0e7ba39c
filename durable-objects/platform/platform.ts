import { DurableObject } from 'cloudflare:workers'
import { connect } from '../../src/adapters/neon/connect.ts'
import { selectTenants } from '../../src/adapters/neon/select-tenants.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import type { ParkedTask } from '../../src/kernel/parked-task.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { Plan, SystemLimits } from '../../src/protocol/tenant-limits.ts'
import {
  platformSettings,
  maxPlans,
  newPlatformSettings,
  type PlatformSettings,
} from '../../src/tenants/platform-settings.ts'
import type { TenantStanding } from '../../src/tenants/known.ts'
import { ParkedTasks } from './parked-tasks.ts'
import { TenantDirectory } from './tenant-directory.ts'
import type { PlatformRpc } from '../contracts.ts'

/** What applies beyond any one tenant: there is one, and its settings are cached for ten seconds everywhere. */
export class Platform extends DurableObject<Env> implements PlatformRpc {
  readonly #kv = this.ctx.storage.kv
  readonly #parked = new ParkedTasks(this.ctx.storage.sql)
  readonly #directory = new TenantDirectory(this.ctx.storage, (after, limit) => {
    const config = loadConfig(this.env)
    return selectTenants(connect(config, config.directoryUrl), after, limit)
  })

  settings(): PlatformSettings {
    const stored = this.#kv.get('record')
    return stored === undefined ? newPlatformSettings : platformSettings.parse(stored)
  }

  /** Sets the limits of all tenants together. */
  setSystemLimits(system: SystemLimits): PlatformSettings {
    return this.#write({ ...this.settings(), system })
  }

  /** Creates or changes a plan; its tenants follow. */
  setPlan(name: string, plan: Plan): { readonly kind: 'set'; readonly settings: PlatformSettings } | Refusal {
    const settings = this.settings()
    if (!Object.hasOwn(settings.plans, name) && Object.keys(settings.plans).length >= maxPlans)
      return refuse('limitExceeded', `at most ${maxPlans} plans; delete one first`)
    return { kind: 'set', settings: this.#write({ ...settings, plans: { ...settings.plans, [name]: plan } }) }
  }

  /** Deletes a plan; its tenants then have the platform's limits. False when there is none of that name. */
  dropPlan(name: string): boolean {
    const settings = this.settings()
    if (!Object.hasOwn(settings.plans, name)) return false
    const { [name]: _, ...plans } = settings.plans
    this.#write({ ...settings, plans })
    return true
  }

  /** A tenant is about to be created, or was found. */
  noteTenant(id: string): void {
    this.#directory.note(id)
  }

  /** Whether a tenant exists; `perhaps` while the tenants of earlier versions have not been read from Postgres. */
  standingOfTenant(id: string): TenantStanding {
    const standing = this.#directory.standingOf(id)
    if (standing === 'perhaps') void this.#directory.readOnce()
    return standing
  }

  /** An actor parked a task whose process died twice. */
  noteParked(parked: ParkedTask): void {
    this.#parked.note(parked)
  }

  /** A task that was parked has run to its end. */
  clearParked(actor: string, task: string): void {
    this.#parked.clear(actor, task)
  }

  parkedTasks(): { readonly count: number; readonly tasks: readonly ParkedTask[] } {
    return this.#parked.list(systemClock.now())
  }

  #write(changed: PlatformSettings): PlatformSettings {
    const record = { ...changed, version: changed.version + 1 }
    this.#kv.put('record', record)
    return record
  }
}
