import type { Config } from '../../../src/config.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import type { TopicName } from '../../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../../src/protocol/errors.ts'
import type { Namespace } from '../../../src/protocol/namespaces-api.ts'
import type { TopicRules } from '../../../src/protocol/stream.ts'
import type { Admission, TenantCache } from '../../../src/tenants/cache.ts'
import { findNamespace, topicRules } from '../../../src/topics/namespaces.ts'

/** A namespace and its tenant. */
export interface KnownNamespace {
  readonly kind: 'known'
  readonly namespace: Namespace
  readonly admission: Admission
}

/** The namespaces of tenants, cached by one gateway for ten seconds. */
export class NamespaceCache {
  readonly #tenants: TenantCache
  readonly #open: string | undefined

  constructor(tenants: TenantCache, { open }: Config) {
    this.#tenants = tenants
    this.#open = open?.tenant
  }

  /** The namespace of a topic; at once while its tenant is cached. Never rejects. */
  find(tenant: string, name: TopicName, now: number): Ready<KnownNamespace | Refusal> {
    const known = this.#tenants.fresh(tenant, now)
    const picked = known === undefined ? undefined : this.#pick(tenant, known, name)
    if (picked?.kind === 'known') return picked
    // A namespace that the cache does not have may have been created a moment ago: only the tenant's actor refuses it.
    const asked = known === undefined ? this.#tenants.get(tenant, now) : this.#tenants.anew(tenant, now)
    return asked.then(
      (admission) => this.#pick(tenant, admission, name),
      (thrown: unknown) => {
        log.warn('gateway.tenant-unreachable', { reason: reasonOf(thrown) })
        return refuse('internal', 'the tenant could not be reached')
      },
    )
  }

  /** The tenant's present record from its actor; undefined when there is none or the actor is unreachable. */
  async askAgain(tenant: string, now: number): Promise<Admission | undefined> {
    return await this.#tenants.anew(tenant, now).catch(() => undefined)
  }

  /** The rules of the topic behind a channel, if its tenant is known; undefined for other streams. */
  rules(tenant: string, channel: string): TopicRules | undefined {
    const record = this.#tenants.last(tenant)?.record
    return record === undefined ? undefined : topicRules(record, channel, tenant === this.#open)
  }

  #pick(tenant: string, admission: Admission | undefined, { namespace: name }: TopicName): KnownNamespace | Refusal {
    const namespace = admission === undefined ? undefined : findNamespace(admission.record, name, tenant === this.#open)
    if (admission === undefined || namespace === undefined)
      return refuse('unknownChannel', `there is no namespace "${name}"; PUT /v1/namespaces/${name} makes it`)
    return { kind: 'known', namespace, admission }
  }
}
