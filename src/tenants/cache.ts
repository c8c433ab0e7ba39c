import type { TenantRecord, TenantSecrets } from './record.ts'

/** What has to be known of a tenant to admit its users. */
export interface Admission {
  readonly record: TenantRecord
  readonly secrets: TenantSecrets
}

/** The tag of what is cached of a tenant, and of what is cached of the platform's settings. */
export const tenantTag = (tenant: string): string => `tenant:${tenant}`
export const platformTag = 'platform'

/** How long a tenant with its keys is used without asking, unless it changes before. */
export const tenantFreshMs = 10_000

/** What the process knows of invalidations of cached values. */
export interface KnownInvalidations {
  /** Asks for what is new of them unless that was done within the last second. False when it cannot be known. */
  refresh(now: number): Promise<boolean>
  /** What a value that is asked for now is marked with. */
  mark(): InvalidationMark | undefined
  /** Whether a value with that mark may have been asked for before an invalidation of the tag. */
  isInvalidated(mark: InvalidationMark | undefined, tag: string): boolean
}

/** The newest invalidation that was known. */
export interface InvalidationMark {
  readonly log: string
  readonly seq: number
}

/** A question about a tenant: how long its answer is used, and whether it has arrived. */
interface Asked {
  /** Later questions have higher numbers. */
  readonly nth: number
  readonly until: number
  readonly mark: InvalidationMark | undefined
  readonly admission: Promise<Admission | undefined>
  isHere: boolean
}

const secondMs = 1000

const askedAt = ({ until }: Asked): number => until - tenantFreshMs

/** An answer to a question of the future is of before the clock was set back. Clocks of requests differ by what each waited for. */
const isFresh = (asked: Asked, now: number): boolean => now < asked.until && askedAt(asked) <= now + secondMs

/** Tenants as one actor knows them: asked for once, kept for ten seconds, one question at a time. */
export class TenantCache {
  readonly #ask: (tenant: string) => Promise<Admission | undefined>
  readonly #known = new Map<string, Asked>()
  /** The last answers, for callers that cannot wait for a newer one. `isOld`: the tenant is known to have changed since. */
  readonly #last = new Map<string, { readonly nth: number; readonly admission: Admission; isOld: boolean }>()
  /** Questions that wait for the answer to one before them. */
  readonly #next = new Map<string, Promise<Admission | undefined>>()
  readonly #invalidations: KnownInvalidations | undefined
  #questions = 0

  constructor(ask: (tenant: string) => Promise<Admission | undefined>, invalidations?: KnownInvalidations) {
    this.#ask = ask
    this.#invalidations = invalidations
  }

  /** The tenant changed: the next question goes to its actor. */
  forget(tenant: string): void {
    this.#known.delete(tenant)
    const last = this.#last.get(tenant)
    if (last !== undefined) last.isOld = true
  }

  /** Every tenant may have changed. */
  forgetAll(): void {
    for (const tenant of this.#last.keys()) this.forget(tenant)
    this.#known.clear()
  }

  /** The tenant, or undefined when there is none of that name. */
  get(tenant: string, now: number): Promise<Admission | undefined> {
    const known = this.#known.get(tenant)
    if (known !== undefined && isFresh(known, now)) return known.admission

    const mark = this.#invalidations?.mark()
    const admission = this.#ask(tenant)
    const asked = { nth: ++this.#questions, mark, until: now + tenantFreshMs, admission, isHere: false }
    this.#known.set(tenant, asked)
    admission.then(
      (answer) => this.#remember(tenant, asked, answer),
      () => this.#drop(tenant, asked),
    )
    return admission
  }

  /** The tenant as it was at most a second ago, for decisions about credentials. */
  async current(tenant: string, now: number): Promise<Admission | undefined> {
    const invalidations = this.#invalidations
    if (invalidations === undefined) return await this.get(tenant, now)
    const isKnown = await invalidations.refresh(now)
    const known = this.#known.get(tenant)
    const isCurrent =
      known === undefined ||
      (isKnown
        ? !invalidations.isInvalidated(known.mark, tenantTag(tenant))
        : Math.abs(now - askedAt(known)) < secondMs)
    if (!isCurrent && isKnown) this.forget(tenant)
    else if (!isCurrent) this.#known.delete(tenant)
    return await this.get(tenant, now)
  }

  /**
   * The answer of the tenant's actor to a question asked from now on. Callers that arrive while one is under way share
   * the next one, so that refusals ask it one question at a time.
   */
  anew(tenant: string, now: number): Promise<Admission | undefined> {
    const shared = this.#next.get(tenant)
    if (shared !== undefined) return shared
    const known = this.#known.get(tenant)
    if (known === undefined || known.isHere) {
      this.#known.delete(tenant)
      return this.get(tenant, now)
    }
    const ask = () => {
      this.#next.delete(tenant)
      this.#known.delete(tenant)
      return this.get(tenant, now)
    }
    const next = known.admission.then(ask, ask)
    this.#next.set(tenant, next)
    return next
  }

  /** The record of the last answer, perhaps a moment old; undefined before the first answer, also the first after a change. */
  lately(tenant: string, now: number): TenantRecord | undefined {
    void this.get(tenant, now).catch(() => undefined)
    const last = this.#last.get(tenant)
    return last === undefined || last.isOld ? undefined : last.admission.record
  }

  /** The tenant as it was last known, however long ago. */
  last(tenant: string): Admission | undefined {
    return this.#last.get(tenant)?.admission
  }

  /** What is known now, without asking; undefined also when it is too old. */
  fresh(tenant: string, now: number): Admission | undefined {
    const known = this.#known.get(tenant)
    return known !== undefined && known.isHere && isFresh(known, now) ? this.last(tenant) : undefined
  }

  /**
   * An answer that a newer one has overtaken is ignored. That there is no such tenant is not kept: a client can name as
   * many as it likes.
   */
  #remember(tenant: string, asked: Asked, admission: Admission | undefined): void {
    asked.isHere = true
    const { nth } = asked
    if ((this.#last.get(tenant)?.nth ?? 0) > nth) return
    if (admission !== undefined)
      return void this.#last.set(tenant, { nth, admission, isOld: this.#known.get(tenant) !== asked })
    this.#last.delete(tenant)
    this.#drop(tenant, asked)
  }

  #drop(tenant: string, asked: Asked): void {
    if (this.#known.get(tenant) === asked) this.#known.delete(tenant)
  }
}
