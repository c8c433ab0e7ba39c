import type { Env } from '../../../src/env.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { within } from '../../../src/kernel/retry.ts'
import { decideAll, decideNow, type Decider, type Level } from '../../../src/limits/decide.ts'
import { LeaseHolder } from '../../../src/limits/holder.ts'
import {
  builtInRules,
  isShared,
  messageLevels,
  policyOf,
  type BuiltInPolicy,
} from '../../../src/limits/built-in-policies.ts'
import { LocalLimits } from '../../../src/limits/local-limits.ts'
import type { Source, Taken } from '../../../src/limits/ports.ts'
import type { Window } from '../../../src/limits/rules.ts'
import { parseChannel } from '../../../src/protocol/channels.ts'
import type { TenantCache } from '../../../src/tenants/cache.ts'
import type { TenantRecord } from '../../../src/tenants/record.ts'
import { limiterName, limiterNamed, sharedLimiter } from '../../address.ts'
import type { NameDirectory } from '../channels/name-directory.ts'

const maxNames = 20_000
/** A limiter that takes longer is one that cannot be reached. */
const timeoutMs = 2000

/** How fast a user may send, and all she shares a limit with: leases from their limiters, spent here without asking. */
export class MessageLimits {
  readonly #env: Env
  readonly #tenants: TenantCache
  readonly #directory: NameDirectory
  readonly #holder = new LeaseHolder(policyOf)
  readonly #decider: Decider = {
    holder: this.#holder,
    fallback: new LocalLimits(),
    alone: false,
    onUnreachable: (_, thrown) => log.warn('gateway.limiter-unreachable', { why: reasonOf(thrown) }),
  }
  /** Tenants whose messages pass further levels of the same decision: a conversation's, a plan's, and so on. */
  readonly #further = new Map<string, Further>()
  /** A connection is known to its own gateway only. */
  readonly #connections = new LocalLimits()
  /** The limiter's name of each tenant's users: to put it together for every message would cost more than to decide. */
  readonly #names = new Map<string, Map<string, string>>()
  #named = 0

  constructor(env: Env, tenants: TenantCache, names: NameDirectory) {
    this.#env = env
    this.#tenants = tenants
    this.#directory = names
  }

  /** One message of `user` to `channel`: an answer at once while the leases last, else a promise of one. */
  take(tenant: string, user: string, channel: string, clock: () => number, client = ''): Taken | Promise<Taken> {
    const key = this.#names.get(tenant)?.get(user) ?? this.#name(tenant, user)
    const further = this.#further.size === 0 ? undefined : this.#further.get(tenant)
    const known =
      further === undefined
        ? this.#holder.takeNow(key, clock())
        : this.#takeHere(further, [key, ...keysOf(further, channel)], client, clock())
    return known ?? this.#ask({ tenant, key, channel, client, clock })
  }

  /** Figures for /metrics, by policy, and the keys refused most. */
  stats() {
    const { counters: tallies } = this.#holder
    return { policies: tallies.all(), refused: tallies.top.list() }
  }

  #name(tenant: string, user: string): string {
    if (++this.#named > maxNames) {
      this.#names.clear()
      this.#named = 1
    }
    const name = limiterName(tenant, 'messages', user)
    const names = this.#names.get(tenant) ?? new Map<string, string>()
    this.#names.set(tenant, names.set(user, name))
    return name
  }

  /** All levels from what is in hand; undefined when somebody has to be asked first, and then nothing was taken. */
  #takeHere(further: Further, keys: readonly string[], client: string, now: number): Taken | undefined {
    const waitMs = this.#takeConnection(further, client, now)
    if (waitMs > 0) return { kind: 'limited', retryAfterMs: waitMs }
    const taken = decideNow(this.#holder, keys, now)
    if (taken?.kind !== 'taken') this.#connections.giveBack(client, now)
    return taken
  }

  #takeConnection(further: Further | undefined, client: string, now: number): number {
    return further?.ofConnection === undefined ? 0 : this.#connections.takeAll(client, further.ofConnection, now)
  }

  async #ask({ tenant, key, channel, client, clock }: Message): Promise<Taken> {
    const record = await this.#record(tenant, clock)
    const further = furtherOf(tenant, record)
    if (further === undefined) this.#further.delete(tenant)
    else this.#further.set(tenant, further)
    const waitMs = this.#takeConnection(further, client, clock())
    if (waitMs > 0) return { kind: 'limited', retryAfterMs: waitMs }
    const keys = [key, ...(await this.#furtherKeys(further, tenant, channel))]
    const decision = await decideAll(
      this.#decider,
      keys.map((each) => this.#level(tenant, each, clock)),
    )
    this.#returnIdle(clock())
    if (decision.kind === 'limited') this.#connections.giveBack(client, clock())
    // Chat goes on without limiters, at this gateway's own count: all levels fail open, so none is ever unreachable.
    return decision.kind === 'unreachable' ? { kind: 'limited', retryAfterMs: timeoutMs } : decision
  }

  /** No limiter is woken for a conversation that does not exist; the message to it is refused where it is sent. */
  async #furtherKeys(further: Further | undefined, tenant: string, channel: string): Promise<readonly string[]> {
    if (further === undefined) return []
    const parsed = further.ofConversation === undefined ? undefined : parseChannel(channel)
    const exists = parsed?.kind !== 'conversation' || (await this.#directory.hasConversation(tenant, parsed.id))
    return exists ? keysOf(further, channel) : further.ofAll
  }

  /** What nobody here spends goes back to its limiters; what fails to return is lost until it refills. */
  #returnIdle(now: number): void {
    for (const { key, closing } of this.#holder.idle(now))
      limiterNamed(this.#env, key)
        .settle(closing)
        .catch(() => undefined)
  }

  #level(tenant: string, key: string, clock: () => number): Level {
    return { key, cost: 1, source: this.#source(tenant, key, clock), whenUnreachable: 'open' }
  }

  #source(tenant: string, key: string, clock: () => number): Source {
    const stub = limiterNamed(this.#env, key)
    return {
      clock,
      rules: async () => builtInRules(policyIn(key), await this.#record(tenant, clock)),
      limiter: {
        lease: (ask) => within(timeoutMs, 'the limiter', stub.lease(ask)),
        settle: (closing) => stub.settle(closing),
        refund: (units, at) => stub.refund(units, at),
      },
    }
  }

  async #record(tenant: string, clock: () => number): Promise<TenantRecord | undefined> {
    return (await this.#tenants.get(tenant, clock()))?.record
  }
}

interface Message {
  readonly tenant: string
  readonly key: string
  readonly channel: string
  readonly client: string
  readonly clock: () => number
}

/** What counts beyond a sender's own limiter: her connection, the conversation's by channel, the others the same for all messages of a tenant. */
interface Further {
  readonly ofConnection: readonly Window[] | undefined
  readonly ofConversation: ((channel: string) => string) | undefined
  readonly ofAll: readonly string[]
}

function furtherOf(tenant: string, record: TenantRecord | undefined): Further | undefined {
  const policies = messageLevels(record)
  const connection = record?.limits.messagesPerSecondConnection
  if (policies.length === 0 && connection === undefined) return undefined
  const all = policies.filter((policy) => policy !== 'messages-conversation')
  return {
    ofConnection: connection === undefined ? undefined : builtInRules('messages-connection', record).windows,
    ofConversation:
      all.length === policies.length ? undefined : (channel) => limiterName(tenant, 'messages-conversation', channel),
    ofAll: all.map((policy) =>
      isShared(policy) ? sharedLimiter(policy, record?.plan ?? '') : limiterName(tenant, policy, ''),
    ),
  }
}

const keysOf = ({ ofConversation, ofAll }: Further, channel: string): readonly string[] =>
  ofConversation === undefined ? ofAll : [ofConversation(channel), ...ofAll]

const policies: readonly BuiltInPolicy[] = [
  'messages',
  'messages-conversation',
  'messages-tenant',
  'messages-plan',
  'messages-system',
]
const policyIn = (key: string) => policies.find((policy) => policy === policyOf(key)) ?? 'messages'
