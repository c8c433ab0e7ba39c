import { vi } from 'vitest'
import { EpochLog, type Stamp } from '../../../src/cache/epochs.ts'
import { RecentKeys } from '../../../src/cache/recent-keys.ts'
import type { PublishedRoute } from '../../../src/facade/route.ts'
import { newPlatformSettings } from '../../../src/tenants/platform-settings.ts'
import type { StoredTenant, TenantRecord } from '../../../src/tenants/record.ts'
import { HeldRedis } from '../held-redis.ts'

/** The module under test; its types exist on workerd only. */
interface Tenants {
  tenantRecordOf(env: object, tenant: string, now: number): Promise<TenantRecord | undefined>
  forgetTenant(env: object, tenant: string): Promise<void>
}

interface FacadeRoutes {
  cachedRoutes(tenant: string, now: number): FoundRoutes | undefined
  routesOf(env: object, tenant: string, now: number): Promise<FoundRoutes | undefined>
  forgetRoutes(env: object, tenant: string): Promise<void>
}

interface FoundRoutes {
  readonly routes: ReadonlyMap<string, { readonly route: PublishedRoute }>
}

/** A process (isolate): modules, and so memory, of its own. */
export interface Process {
  /** A route of the tenant's facade as a request finds it. */
  route(tenant: string, name: string): Promise<PublishedRoute | undefined>
  /** A route of the tenant changed. */
  forgetRoutes(tenant: string): Promise<void>
  record(tenant: string): Promise<TenantRecord | undefined>
  /** The tenant changed. */
  forget(tenant: string): Promise<void>
  /** The clock starts the task that warms caches, here. */
  warm(): Promise<void>
}

/** A tenant's actor, as far as caches ask it. */
class TenantActor {
  stored: StoredTenant
  /** How often it was asked for its record. */
  asked = 0

  constructor(id: string, keys: readonly string[]) {
    this.stored = {
      id,
      name: id,
      state: 'active',
      placement: { shard: 'shard0', epoch: 1 },
      keys: keys.map((key) => ({ id: key, hash: key })),
      plan: 'default',
      limits: {},
      policies: {},
      namespaces: {},
      anonymous: false,
      version: 1,
    }
  }

  record = async (): Promise<StoredTenant> => {
    this.asked++
    return this.stored
  }

  revokeKey(key: string): void {
    const { stored } = this
    this.stored = { ...stored, keys: stored.keys.filter(({ id }) => id !== key), version: stored.version + 1 }
  }
}

/** Several processes before one Redis and the same actors, with one clock. */
export class Deployment {
  readonly redis = new HeldRedis()
  readonly #tenants = new Map<string, TenantActor>()
  readonly #log = new EpochLog('log')
  readonly #recent = new RecentKeys()
  /** The routes of each tenant's facade, as its actor has them. */
  routes: readonly PublishedRoute[] = []
  /** How often an actor was asked for its routes. */
  routesAsked = 0
  /** Whether the log of invalidations answers. */
  hasLog = true

  constructor() {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    vi.stubGlobal('fetch', this.redis.fetch)
  }

  provision(id: string, keys: readonly string[]): void {
    this.#tenants.set(id, new TenantActor(id, keys))
  }

  readonly tenant = (id: string): TenantActor => {
    const found = this.#tenants.get(id)
    if (found === undefined) throw new Error(`there is no tenant ${id}`)
    return found
  }

  pass(ms: number): void {
    vi.setSystemTime(Date.now() + ms)
  }

  async newProcess(): Promise<Process> {
    vi.resetModules()
    const tenants = await vi.importActual<Tenants>('../../../src/edge/identity/tenants.ts')
    const { warm } = await vi.importActual<{ warm: (env: object) => Promise<void> }>('../../../src/cron/warm.ts')
    const facade = await vi.importActual<FacadeRoutes>('../../../src/edge/facade/routes.ts')
    const env = this.#bindings()
    return {
      route: async (tenant, name) => {
        const now = Date.now()
        const found = facade.cachedRoutes(tenant, now) ?? (await facade.routesOf(env, tenant, now))
        return found?.routes.get(name)?.route
      },
      forgetRoutes: (tenant) => facade.forgetRoutes(env, tenant),
      warm: () => warm(env),
      record: (tenant) => tenants.tenantRecordOf(env, tenant, Date.now()),
      forget: (tenant) => tenants.forgetTenant(env, tenant),
    }
  }

  #bindings(): object {
    const platform = {
      settings: async () => newPlatformSettings,
      standingOfTenant: async (id: string) => (this.#tenants.has(id) ? 'known' : 'unknown'),
      noteTenant: async () => undefined,
    }
    const epochs = {
      since: async (known?: Stamp, read: readonly string[] = []) => {
        if (!this.hasLog) throw new Error('the log does not answer')
        this.#recent.note(read, Date.now())
        return this.#log.since(known)
      },
      takeRecent: async () => this.#recent.take(Date.now()),
      invalidate: async (tags: readonly string[], known?: Stamp) => {
        if (!this.hasLog) throw new Error('the log does not answer')
        this.#log.invalidate(tags, Date.now())
        return this.#log.since(known)
      },
    }
    return {
      ...this.redis.vars,
      ENVIRONMENT: 'local',
      DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
      DATABASE_URL_SHARD0: 'postgresql://app:secret@shards.test/shard0',
      SHARDS: 'shard0',
      CACHE_EPOCHS: { getByName: () => epochs },
      PLATFORM: { getByName: () => platform },
      FACADE: {
        getByName: () => ({
          published: async () => {
            this.routesAsked++
            return this.routes
          },
        }),
      },
      TENANT: { getByName: (id: string) => this.#tenants.get(id) },
    }
  }
}
