import { callActorsOf } from '../../../src/adapters/contexts.ts'
import type { Env } from '../../../src/env.ts'
import { BoundedMap } from '../../../src/kernel/bounded-map.ts'
import { systemClock } from '../../../src/kernel/clock.ts'
import { policyOf } from '../../../src/limits/built-in-policies.ts'
import { LeaseHolder } from '../../../src/limits/holder.ts'
import { encodeWith } from '../../../src/kernel/json.ts'
import { acknowledgeCommand, pullCommand } from '../../../src/protocol/consumers-api.ts'
import { refuse, refuseTooFast, type Refusal } from '../../../src/protocol/errors.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { hasCapability } from '../../../src/topics/access.ts'
import type { eventConsumerOf } from '../../address.ts'
import { callEventCatalog, callEventConsumer } from '../../open-event-actors.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { CommandContext, Data } from './command-context.ts'
import { LimitLevels } from './limit-levels.ts'
import { replyLater } from './reply-later.ts'

/** For how long a consumer is known to exist, in milliseconds. One that was deleted meanwhile says so itself. */
const knownForMs = 60_000

/** When each consumer was found last, by tenant and name. */
const known = new BoundedMap<string, number>(1000)

/** What decides about items, for each gateway. */
const itemLevels = new WeakMap<GatewayContext, LimitLevels>()

function levelsOf(gateway: GatewayContext): LimitLevels {
  const levels = itemLevels.get(gateway) ?? new LimitLevels(gateway, new LeaseHolder(policyOf))
  itemLevels.set(gateway, levels)
  return levels
}

/** Leases events of a consumer to the connection; they come as they do over HTTP. */
export function pullEvents(context: CommandContext, session: Session, id: number, data: Data): void {
  const wanted = context.parse(session, id, pullCommand, data)
  if (wanted === undefined || !mayPull(context, session, id, wanted.consumer)) return
  const { consumer, max, leaseSeconds, waitSeconds } = wanted
  replyLater(context, session, id, async () => {
    const pulled = await charged(context, session, max, () =>
      callConsumer(context.env, session.tenant, consumer, (own) =>
        own.pull(max, leaseSeconds * 1000, waitSeconds * 1000),
      ),
    )
    if (pulled.kind === 'refused') return pulled
    const { lease, until, events } = pulled
    const texts = events.map(({ event, ...rest }) => encodeWith(rest, { event }))
    return encodeWith({ lease, until }, { events: `[${texts.join(',')}]` })
  })
}

/** Settles events of a lease, whichever connection pulled them. */
export function acknowledgeEvents(context: CommandContext, session: Session, id: number, data: Data): void {
  const wanted = context.parse(session, id, acknowledgeCommand, data)
  if (wanted === undefined || !mayPull(context, session, id, wanted.consumer)) return
  const { consumer, lease, done, failed } = wanted
  const outcomes = failed.map(({ offset, reason, delaySeconds }) => ({
    offset,
    reason,
    delayMs: delaySeconds === undefined ? undefined : delaySeconds * 1000,
  }))
  replyLater(context, session, id, async () => {
    const settled = await charged(context, session, done.length + failed.length, () =>
      callConsumer(context.env, session.tenant, consumer, (own) => own.settle({ lease, done, failed: outcomes })),
    )
    return settled.kind === 'refused' ? settled : { late: settled.late }
  })
}

/** The tenant's server says in a token which consumers a connection may pull from; a refused command counts as well. */
function mayPull(context: CommandContext, session: Session, id: number, consumer: string): boolean {
  if (!context.admits(session, id)) return false
  if (hasCapability(session.capabilities, 'pull', `consumer:${consumer}`)) return true
  context.refuse(
    session,
    id,
    refuse('permissionDenied', `consumer: the token has no capability to "pull" from "consumer:${consumer}"`),
  )
  return false
}

/** Does `work` once its items are paid for. */
async function charged<T>(
  context: CommandContext,
  session: Session,
  items: number,
  work: () => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const levels = levelsOf(context.gateway)
  const decision = await levels.takeItems(session, items)
  return decision.kind === 'limited' ? refuseTooFast('items', decision.retryAfterMs) : await work()
}

/** Calls a consumer that exists: no other is opened. */
async function callConsumer<R>(
  env: Env,
  tenant: string,
  name: string,
  call: (consumer: ReturnType<typeof eventConsumerOf>) => R,
): Promise<Awaited<R> | Refusal> {
  const key = `${tenant}/${name}`
  const now = systemClock.now()
  if ((known.get(key) ?? -Infinity) + knownForMs < now) {
    const topic = await callActorsOf(env, 'events', () =>
      callEventCatalog(env, tenant, (catalog) => catalog.consumer(name)),
    )
    if (topic === undefined)
      return refuse('notFound', `consumer: there is no consumer ${name}; PUT /v1/consumers/${name} creates it`)
    known.set(key, now)
  }
  return await callActorsOf(env, 'events', () => callEventConsumer(env, tenant, name, call))
}
