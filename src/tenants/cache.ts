import type { TenantRecord, TenantSecrets } from './record.ts'

/** What one has to know of a tenant to let its users in. */
export interface Admission {
  readonly record: TenantRecord
  readonly secrets: TenantSecrets
}

/** How long a tenant is believed without asking: a revoked key or token key dies within this time. */
export const tenantFreshMs = 10_000

/** Tenants as one actor knows them: asked for once, believed for ten seconds, one question at a time. */
export class TenantCache {
  readonly #ask: (tenant: string) => Promise<Admission | undefined>
  readonly #known = new Map<string, { readonly until: number; readonly admission: Promise<Admission | undefined> }>()
  /** What came of the questions, for those who cannot wait. */
  readonly #heard = new Map<string, TenantRecord>()

  constructor(ask: (tenant: string) => Promise<Admission | undefined>) {
    this.#ask = ask
  }

  /** The tenant changed: the next question goes to its actor. */
  forget(tenant: string): void {
    this.#known.delete(tenant)
  }

  /** The tenant, or undefined when there is none of that name. */
  get(tenant: string, now: number): Promise<Admission | undefined> {
    const known = this.#known.get(tenant)
    if (known !== undefined && known.until > now) return known.admission

    const admission = this.#ask(tenant)
    this.#known.set(tenant, { until: now + tenantFreshMs, admission })
    admission.then(
      (heard) => this.#hear(tenant, heard?.record),
      () => this.#known.delete(tenant),
    )
    return admission
  }

  /** The record as last heard of, perhaps a moment ago; undefined before the first answer. */
  lately(tenant: string, now: number): TenantRecord | undefined {
    void this.get(tenant, now).catch(() => undefined)
    return this.#heard.get(tenant)
  }

  #hear(tenant: string, record: TenantRecord | undefined): void {
    if (record === undefined) this.#heard.delete(tenant)
    else this.#heard.set(tenant, record)
  }
}
