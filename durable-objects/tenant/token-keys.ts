import { z } from 'zod'
import { fetchKeySet } from '../../src/adapters/key-set.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import {
  afterFetch,
  dueSets,
  keySet,
  keysOfSets,
  mayHaveMore,
  putKeySet,
  setsThatMayHaveMore,
  type KeySet,
} from '../../src/tenants/key-sets.ts'
import { tokenKey, type TenantSecrets, type TokenKey } from '../../src/tenants/record.ts'
import {
  addSigningKey,
  keysInForce,
  revokeSigningKey,
  rotateSigningKey,
  type KeyChange,
} from '../../src/tenants/signing-keys.ts'

const idSecret = z.string().optional()
const noTenant = () => refuse('notFound', 'there is no such tenant')

/** The keys that sign and verify the tokens of a tenant: its own, and those that it publishes at addresses (key sets). */
export class TokenKeys {
  readonly #env: Env
  readonly #kv: SyncKvStorage
  readonly #clock = systemClock
  /** The tenant's id; undefined when there is no such tenant. */
  readonly #tenant: () => string | undefined
  /** Key sets that are being fetched. */
  readonly #fetching = new Set<string>()

  constructor(env: Env, kv: SyncKvStorage, tenant: () => string | undefined) {
    this.#env = env
    this.#kv = kv
    this.#tenant = tenant
  }

  /** Makes what the tenant does not have yet. An older tenant without the secret has conversations whose ids carry no check. */
  provision(isNew: boolean): void {
    if (isNew) this.#kv.put('conversationIdSecret', randomToken(43))
    if (this.#secrets() === undefined)
      this.#kv.put('tokenKeys', [{ id: randomToken(8), secret: randomToken(43), algorithm: 'HS256' }])
  }

  /** The secrets, with the keys of key sets; sets that are due are fetched meanwhile. Undefined before there are any. */
  secrets(): TenantSecrets | undefined {
    const secrets = this.#secrets()
    const sets = this.sets()
    if (secrets === undefined || sets.length === 0) return secrets
    const now = this.#clock.now()
    for (const set of dueSets(sets, now)) void this.#fetch(set)
    return { ...secrets, tokenKeys: [...secrets.tokenKeys, ...keysOfSets(sets, now)], hasKeySets: true }
  }

  /** The keys that sign or verify tokens now. */
  inForce(): TokenKey[] {
    return keysInForce(this.#secrets()?.tokenKeys ?? [], this.#clock.now())
  }

  add(key: TokenKey): { readonly kind: 'changed' } | Refusal {
    return this.#change((keys, now) => addSigningKey(keys, key, now))
  }

  /** Replaces a key, which still verifies for `overlapMs`. */
  rotate(id: string, successor: TokenKey, overlapMs: number): { readonly kind: 'changed' } | Refusal {
    return this.#change((keys, now) => rotateSigningKey(keys, id, successor, overlapMs, now))
  }

  revoke(id: string): { readonly kind: 'changed' } | Refusal {
    return this.#change((keys, now) => revokeSigningKey(keys, id, now))
  }

  /** The addresses where the tenant publishes further keys, and what was found there. */
  sets(): KeySet[] {
    return keySet.array().parse(this.#kv.get('keySets') ?? [])
  }

  /** Adds or replaces a key set, with the keys that the caller found at its address. */
  putSet(set: KeySet): { readonly kind: 'set' } | Refusal {
    if (this.#tenant() === undefined) return noTenant()
    const put = putKeySet(this.sets(), set)
    if (put.kind === 'refused') return put
    this.#kv.put('keySets', put.sets)
    return { kind: 'set' }
  }

  /** Removes a key set; its keys verify no more. False when there is none of that name. */
  dropSet(name: string): boolean {
    const sets = this.sets()
    const left = sets.filter((set) => set.name !== name)
    if (left.length < sets.length) this.#kv.put('keySets', left)
    return left.length < sets.length
  }

  /**
   * A token names a key that is not known. Fetches the sets that may have it meanwhile, without making the caller wait, and says
   * whether the token may be good a moment later.
   */
  mayPublish(): boolean {
    const now = this.#clock.now()
    const sets = this.sets()
    for (const set of setsThatMayHaveMore(sets, now)) void this.#fetch(set)
    return mayHaveMore(sets, this.#fetching, now)
  }

  /** Sets are fetched while the tenant is used: an idle tenant fetches nothing. */
  async #fetch({ name, url }: KeySet): Promise<void> {
    const tenant = this.#tenant()
    if (tenant === undefined || this.#fetching.has(name)) return
    this.#fetching.add(name)
    try {
      const fetched = await fetchKeySet(this.#env, tenant, url)
      const sets = this.sets()
      // The set may have been replaced or deleted meanwhile.
      if (!sets.some((set) => set.name === name && set.url === url)) return
      const now = this.#clock.now()
      this.#kv.put(
        'keySets',
        sets.map((set) => (set.name === name ? afterFetch(set, fetched, now) : set)),
      )
    } finally {
      this.#fetching.delete(name)
    }
  }

  #change(decide: (keys: readonly TokenKey[], now: number) => KeyChange): { readonly kind: 'changed' } | Refusal {
    const secrets = this.#secrets()
    if (secrets === undefined) return noTenant()
    const change = decide(secrets.tokenKeys, this.#clock.now())
    if (change.kind === 'refused') return change
    this.#kv.put('tokenKeys', change.keys)
    return { kind: 'changed' }
  }

  #secrets(): TenantSecrets | undefined {
    const stored = this.#kv.get('tokenKeys')
    if (stored === undefined) return undefined
    const conversationIdSecret = idSecret.parse(this.#kv.get('conversationIdSecret'))
    return { tokenKeys: tokenKey.array().parse(stored), conversationIdSecret }
  }
}
