import { log, reasonOf } from '../../../src/kernel/log.ts'
import { decideAll, decideNow, type Decider, type Level } from '../../../src/limits/decide.ts'
import type { LeaseHolder } from '../../../src/limits/holder.ts'
import {
  builtInRules,
  isShared,
  messageLevels,
  policyOf,
  type BuiltInPolicy,
} from '../../../src/limits/built-in-policies.ts'
import { KeyedLimiters } from '../../../src/limits/keyed-limiters.ts'
import { LocalLimits } from '../../../src/limits/local-limits.ts'
import { TooManyActors } from '../../../src/limits/open-actors.ts'
import type { Limiter, Source, Taken } from '../../../src/limits/ports.ts'
import { limiterTimeoutMs, reachLimiter, returnIdle } from '../../../src/limits/reach.ts'
import type { Window } from '../../../src/limits/rules.ts'
import { parseChannel } from '../../../src/protocol/channels.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { TenantRecord } from '../../../src/tenants/record.ts'
import { keyedLimiterName, limiterName, sharedLimiter } from '../../../src/limits/limiter-names.ts'
import { limiterNamed } from '../../address.ts'
import { whenLimiterAdmitted } from '../../open-actors.ts'
import type { ChannelCalls } from '../channels/channel-calls.ts'
import { MessageFilters } from './message-filters.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** One message that is to be counted; `key` names the limiter of its sender. */
interface Message {
  readonly tenant: string
  readonly key: string
  readonly channel: string
  readonly client: string
}

/** Limits beside the sender's own: of the connection, of each conversation, and those that all messages of a tenant share. */
interface TenantLevels {
  readonly ofConnection: readonly Window[] | undefined
  readonly ofConversation: ((channel: string) => string) | undefined
  readonly ofAll: readonly string[]
}

/** Decides messages that one lease of their sender does not decide: with several levels, or after asking the limiters. Also the items of commands. */
export class LimitLevels {
  readonly #gateway: Pick<GatewayContext, 'env' | 'tenants' | 'names' | 'clock'>
  readonly #holder: LeaseHolder
  /** The content rules of tenants that have any, which are told the record of each tenant before its first message is decided. */
  readonly filters: MessageFilters
  readonly #decider: Decider
  /** A connection is known to its own gateway only. */
  readonly #connections = new LocalLimits()
  readonly #keyedLimiters = new KeyedLimiters()
  /** Tenants whose messages have further levels. */
  readonly byTenant = new Map<string, TenantLevels>()

  /** `calls` send the messages that content rules allow; only messages have such rules. */
  constructor(gateway: GatewayContext, holder: LeaseHolder, calls?: Pick<ChannelCalls, 'execute'>) {
    this.#gateway = gateway
    this.filters = new MessageFilters(gateway, calls)
    this.#holder = holder
    this.#decider = {
      holder,
      fallback: new LocalLimits(),
      alone: false,
      onUnreachable: (_, thrown) => {
        if (thrown instanceof TooManyActors) return
        log.warn('gateway.limiter-unreachable', { reason: reasonOf(thrown) })
      },
    }
  }

  readonly #limiterNamed = (name: string): Limiter => this.#keyed(name) ?? limiterNamed(this.#gateway.env, name)

  /** Decides a message of a tenant with further levels from leases in hand; undefined when a limiter must be asked. */
  takeNow({ tenant, key, channel, client }: Message): Taken | undefined {
    const levels = this.byTenant.get(tenant)
    const now = this.#gateway.clock.now()
    const taken = this.#takeConnection(levels, client, now)
    if (taken.kind === 'limited') return taken
    const keys = [key, ...(levels === undefined ? [] : keysOf(levels, channel))]
    const decided = decideNow(this.#holder, keys, now)
    if (decided?.kind !== 'taken') this.#connections.giveBack(client, now)
    return decided
  }

  /** Decides a message by asking the limiters whose leases do not suffice. */
  async take({ tenant, key, channel, client }: Message): Promise<Taken> {
    const { clock } = this.#gateway
    const record = await this.#record(tenant)
    this.filters.note(tenant, record)
    const levels = levelsOf(tenant, record)
    if (levels === undefined) this.byTenant.delete(tenant)
    else this.byTenant.set(tenant, levels)
    const taken = this.#takeConnection(levels, client, clock.now())
    if (taken.kind === 'limited') return taken
    const keys = [key, ...(await this.#furtherKeys(levels, tenant, channel))]
    const decision = await decideAll(
      this.#decider,
      keys.map((each) => this.#level(tenant, each)),
    )
    void returnIdle(this.#holder, this.#limiterNamed, clock.now())
    if (decision.kind === 'limited') this.#connections.giveBack(client, clock.now())
    // Chat goes on without limiters, by this gateway's own count: all levels fail open, so none is ever unreachable.
    return decision.kind === 'unreachable' ? { kind: 'limited', retryAfterMs: limiterTimeoutMs } : decision
  }

  /** Takes what `items` of a command cost its user and tenant, as of a request: the command itself was counted for the first. */
  async takeItems(
    { tenant, user, client }: Pick<Session, 'tenant' | 'user' | 'client'>,
    items: number,
  ): Promise<Taken> {
    if (items <= 1) return { kind: 'taken' }
    const keys = [
      limiterName(tenant, 'items-user', user === '' ? `~${client}` : user),
      limiterName(tenant, 'items-tenant', ''),
    ]
    const decision = await decideAll(
      this.#decider,
      keys.map((key) => ({ ...this.#level(tenant, key), cost: items - 1 })),
    )
    void returnIdle(this.#holder, this.#limiterNamed, this.#gateway.clock.now())
    return decision.kind === 'unreachable' ? { kind: 'limited', retryAfterMs: limiterTimeoutMs } : decision
  }

  #takeConnection(levels: TenantLevels | undefined, client: string, now: number): Taken {
    return levels?.ofConnection === undefined
      ? { kind: 'taken' }
      : this.#connections.takeAll(client, levels.ofConnection, now)
  }

  /** No limiter is woken for a conversation that does not exist; the message to it is refused where it is sent. */
  async #furtherKeys(levels: TenantLevels | undefined, tenant: string, channel: string): Promise<readonly string[]> {
    if (levels === undefined) return []
    const parsed = levels.ofConversation === undefined ? undefined : parseChannel(channel)
    const exists = parsed?.kind !== 'conversation' || (await this.#gateway.names.hasConversation(tenant, parsed.id))
    return exists ? keysOf(levels, channel) : levels.ofAll
  }

  #level(tenant: string, key: string): Level {
    return { key, cost: 1, source: this.#source(tenant, key), whenUnreachable: 'open' }
  }

  #source(tenant: string, key: string): Source {
    const { clock } = this.#gateway
    return {
      clock: () => clock.now(),
      rules: async () => builtInRules(policyIn(key), await this.#record(tenant)),
      limiter: reachLimiter(
        { admit: (name) => whenLimiterAdmitted(this.#gateway.env, name), named: this.#limiterNamed },
        key,
      ),
    }
  }

  /** A limiter that is kept together with others: questions to it are gathered. */
  #keyed(name: string): Limiter | undefined {
    const keeper = keyedLimiterName(name)
    if (keeper === undefined) return undefined
    return this.#keyedLimiters.limiter(keeper, () => limiterNamed(this.#gateway.env, keeper), name)
  }

  async #record(tenant: string): Promise<TenantRecord | undefined> {
    const { tenants, clock } = this.#gateway
    return (await tenants.get(tenant, clock.now()))?.record
  }
}

function levelsOf(tenant: string, record: TenantRecord | undefined): TenantLevels | undefined {
  const policies = messageLevels(record)
  const connection = record?.limits.messagesPerSecondConnection
  if (policies.length === 0 && connection === undefined) return undefined
  const ofAll = policies.filter((policy) => policy !== 'messages-conversation')
  return {
    ofConnection: connection === undefined ? undefined : builtInRules('messages-connection', record).windows,
    ofConversation:
      ofAll.length === policies.length ? undefined : (channel) => limiterName(tenant, 'messages-conversation', channel),
    ofAll: ofAll.map((policy) =>
      isShared(policy) ? sharedLimiter(policy, record?.plan ?? '') : limiterName(tenant, policy, ''),
    ),
  }
}

const keysOf = ({ ofConversation, ofAll }: TenantLevels, channel: string): readonly string[] =>
  ofConversation === undefined ? ofAll : [ofConversation(channel), ...ofAll]

const policies: readonly BuiltInPolicy[] = [
  'messages',
  'messages-conversation',
  'messages-tenant',
  'messages-plan',
  'messages-system',
  'items-user',
  'items-tenant',
]
const policyIn = (key: string) => policies.find((policy) => policy === policyOf(key)) ?? 'messages'
