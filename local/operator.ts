import { z } from 'zod'
import { deletionView, type DeletionView } from '../src/protocol/deletion-api.ts'
import { rebuildAnswer, tenantPage, type rebuildRequest, type RebuildAnswer } from '../src/protocol/operator-api.ts'
import { moveView, type MoveView } from '../src/protocol/moves-api.ts'
import {
  reEncrypted,
  replicasView,
  shardsView,
  type CheckedReplicaView,
  type ShardView,
} from '../src/protocol/shards-api.ts'
import { actorSizes, type ActorSizes } from '../src/protocol/usage-api.ts'
import { LocalError } from './local-error.ts'

export type ListedShard = ShardView
export type RebuildMode = z.output<typeof rebuildRequest>['mode']

/** Talks to the Worker as its operator. */
export class Operator {
  readonly #origin: string
  readonly #adminKey: string

  constructor(origin: string, adminKey: string) {
    this.#origin = origin
    this.#adminKey = adminKey
  }

  /** Waits until the Worker answers, at most `ms`. */
  async ready(ms: number): Promise<void> {
    const deadline = Date.now() + ms
    for (;;) {
      try {
        const response = await fetch(`${this.#origin}/healthz`)
        if (response.ok) return
      } catch {
        // Not listening yet.
      }
      if (Date.now() > deadline)
        throw new LocalError(`the Worker did not answer at ${this.#origin} within ${ms / 1000} s.`)
      await new Promise((again) => setTimeout(again, 50))
    }
  }

  /** Makes the local tenant, or changes its limits. */
  async provision(id: string, limits: Record<string, number>): Promise<void> {
    await this.#call('PUT', `/admin/v1/tenants/${id}`, { name: id, limits })
  }

  /** Suspends a tenant; false when there is none of that id. */
  async suspend(id: string): Promise<boolean> {
    const answer = await this.#fetch('PATCH', `/admin/v1/tenants/${id}`, { state: 'suspended' })
    if (answer.status === 404) return false
    await textOf(answer, `suspending the tenant ${id}`)
    return true
  }

  async setTenantState(id: string, state: 'active' | 'suspended'): Promise<void> {
    await this.#call('PATCH', `/admin/v1/tenants/${encodeURIComponent(id)}`, { state })
  }

  /** Deletes a tenant after so many days, 7 when they are not given. */
  async deleteTenant(id: string, graceDays: string | undefined): Promise<DeletionView> {
    const query = graceDays === undefined ? '' : `?graceDays=${encodeURIComponent(graceDays)}`
    return deletionView.parse(
      JSON.parse(await this.#call('DELETE', `/admin/v1/tenants/${encodeURIComponent(id)}${query}`)),
    )
  }

  async restoreTenant(id: string): Promise<void> {
    await this.#call('POST', `/admin/v1/tenants/${encodeURIComponent(id)}/restore`)
  }

  /** How far the deletion of a tenant is. */
  async deletion(id: string): Promise<DeletionView> {
    return deletionView.parse(
      JSON.parse(await this.#call('GET', `/admin/v1/tenants/${encodeURIComponent(id)}/deletion`)),
    )
  }

  /** What the actors of a tenant store, a page of them. */
  async storage(id: string, cursor: string): Promise<ActorSizes> {
    const path = `/admin/v1/tenants/${encodeURIComponent(id)}/storage?cursor=${encodeURIComponent(cursor)}`
    return actorSizes.parse(JSON.parse(await this.#call('GET', path)))
  }

  /** Runs one entry of the schedule. */
  async runCron(name: string): Promise<void> {
    await this.#call('POST', `/admin/v1/cron/${name}`)
  }

  /** Lets jobs under way end, at most so long, and begins no more; says how many visits are left. */
  async drain(seconds: number): Promise<number> {
    const answer = await this.#call('POST', '/admin/v1/drain', { seconds }, (seconds + 2) * 1000)
    const { left }: { left: number } = JSON.parse(answer)
    return left
  }

  /** The schedule: what runs when. */
  async schedule(): Promise<{ name: string; cron: string }[]> {
    const { entries }: { entries: { name: string; cron: string }[] } = JSON.parse(
      await this.#call('GET', '/admin/v1/cron'),
    )
    return entries
  }

  async shards(): Promise<{ readonly shards: readonly ListedShard[]; readonly neededSchema: number }> {
    return shardsView.parse(JSON.parse(await this.#call('GET', '/admin/v1/shards')))
  }

  /** Registers a shard, or replaces its properties. */
  async putShard(name: string, properties: object): Promise<void> {
    await this.#call('PUT', `/admin/v1/shards/${encodeURIComponent(name)}`, properties)
  }

  async changeShard(name: string, change: object): Promise<void> {
    await this.#call('PATCH', `/admin/v1/shards/${encodeURIComponent(name)}`, change)
  }

  async removeShard(name: string): Promise<void> {
    await this.#call('DELETE', `/admin/v1/shards/${encodeURIComponent(name)}`)
  }

  /** The replicas of a shard, each looked at now. */
  async replicas(shard: string): Promise<readonly CheckedReplicaView[]> {
    return replicasView.parse(JSON.parse(await this.#call('GET', replicasOf(shard)))).replicas
  }

  /** Registers a replica of a shard, or replaces its properties. */
  async putReplica(shard: string, name: string, properties: object): Promise<void> {
    await this.#call('PUT', `${replicasOf(shard)}/${encodeURIComponent(name)}`, properties)
  }

  async changeReplica(shard: string, name: string, change: object): Promise<void> {
    await this.#call('PATCH', `${replicasOf(shard)}/${encodeURIComponent(name)}`, change)
  }

  async removeReplica(shard: string, name: string): Promise<void> {
    await this.#call('DELETE', `${replicasOf(shard)}/${encodeURIComponent(name)}`)
  }

  /** Encrypts the connection strings of all shards and replicas with the first key. */
  async reEncryptShards(): Promise<z.output<typeof reEncrypted>> {
    return reEncrypted.parse(JSON.parse(await this.#call('POST', '/admin/v1/shards/re-encrypt')))
  }

  /** Compares a page of a tenant's conversations with Postgres, and has those written again that `mode` names. */
  async rebuild(tenant: string, wanted: z.output<typeof rebuildRequest>): Promise<RebuildAnswer> {
    const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/rebuild`
    return rebuildAnswer.parse(JSON.parse(await this.#call('POST', path, wanted)))
  }

  /** The tenants of a shard after one of them, as the directory lists them. */
  async *tenantsOn(shard: string, after: string): AsyncGenerator<string> {
    let cursor: string | null | undefined = after
    while (cursor !== null && cursor !== undefined) {
      const path: string = `/admin/v1/tenants?cursor=${encodeURIComponent(cursor)}`
      const page = tenantPage.parse(JSON.parse(await this.#call('GET', path)))
      for (const tenant of page.tenants) if (tenant.shard === shard) yield tenant.id
      cursor = page.next
    }
  }

  async startMove(tenant: string, order: object): Promise<MoveView> {
    return moveView.parse(
      JSON.parse(await this.#call('POST', `/admin/v1/tenants/${encodeURIComponent(tenant)}/moves`, order)),
    )
  }

  /** The last move of a tenant. Throws when it was never moved. */
  async move(tenant: string): Promise<MoveView> {
    return moveView.parse(JSON.parse(await this.#call('GET', `/admin/v1/tenants/${encodeURIComponent(tenant)}/move`)))
  }

  /** The last move of a tenant; undefined when it was never moved. */
  async lastMove(tenant: string): Promise<MoveView | undefined> {
    const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/move`
    const answer = await this.#fetch('GET', path)
    return answer.status === 404 ? undefined : moveView.parse(JSON.parse(await textOf(answer, `GET ${path}`)))
  }

  async decideMove(tenant: string, decision: 'confirm' | 'reverse' | 'pause' | 'resume'): Promise<MoveView> {
    return moveView.parse(
      JSON.parse(await this.#call('POST', `/admin/v1/tenants/${encodeURIComponent(tenant)}/move/${decision}`)),
    )
  }

  async #call(method: string, path: string, body?: unknown, withinMs?: number): Promise<string> {
    return await textOf(await this.#fetch(method, path, body, withinMs), `${method} ${path}`)
  }

  #fetch(method: string, path: string, body?: unknown, withinMs = 600_000): Promise<Response> {
    return fetch(this.#origin + path, {
      method,
      signal: AbortSignal.timeout(withinMs),
      headers: { Authorization: `Bearer ${this.#adminKey}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
}

const replicasOf = (shard: string) => `/admin/v1/shards/${encodeURIComponent(shard)}/replicas`

async function textOf(response: Response, what: string): Promise<string> {
  const text = await response.text()
  if (!response.ok) throw new LocalError(`${what} failed with ${response.status}: ${wordsOf(text)}`)
  return text
}

const problem = z.object({ title: z.string(), detail: z.string(), requestId: z.string().optional() })

/** A refusal in words: the title and the detail, which says what to change; what is no problem of ours as it is, in part. */
function wordsOf(text: string): string {
  const { data } = problem.safeParse(jsonOf(text))
  if (data === undefined) return text.trim().slice(0, 500) || 'no reason given'
  const { title, detail, requestId } = data
  return `${title}. ${detail}${requestId === undefined ? '' : ` (request ${requestId})`}`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
