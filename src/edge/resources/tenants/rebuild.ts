import { z } from 'zod'
import { activityOf, platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { callConversation } from '../../../../durable-objects/open-actors.ts'
import { fromDependency } from '../../../adapters/dependency.ts'
import { countOldEntries, selectChecksums, selectPropertiesChecksums } from '../../../adapters/neon/checksums.ts'
import type { Database } from '../../../adapters/neon/connect.ts'
import { knownConversations, selectConversations } from '../../../adapters/neon/select-conversations.ts'
import { openShard } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { differenceOf, type Difference, type StoredChecksums } from '../../../history/compare-checksums.ts'
import type { ConversationChecksums } from '../../../history/checksum.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { inLanes } from '../../../kernel/in-lanes.ts'
import { rebuildAnswer, rebuildRequest, type RebuildAnswer } from '../../../protocol/operator-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { tenantId } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'

/** Conversations that are called at one time. */
const calledTogether = 8
/** How long one call waits for the conversations that it rebuilds, and how often it looks. */
const waitMs = 10_000
const lookMs = 200

/** Compares a page of a tenant's conversations with Postgres, and has those that differ written there again. */
export const rebuildTenant = operation(
  defineOperation({
    id: 'rebuildTenant',
    method: 'post',
    path: '/admin/v1/tenants/{id}/rebuild',
    tag: 'Operator',
    summary: "Make a tenant's rows in Postgres again from the logs of its conversations",
    description:
      'Compares checksums of each conversation and month, a page of conversations with each call, and has those that differ written again. Entries that a log no longer holds are compared by their number only. May be repeated and stopped at any time.',
    access: 'operator',
    params: z.object({ id: tenantId }),
    body: rebuildRequest,
    optionalBody: true,
    responses: { 200: rebuildAnswer },
    example: {
      body: { mode: 'differing', cursor: '', limit: 20 },
      response: {
        checked: 20,
        equal: 20,
        rebuilt: ['019a3c5e-7d10-7cc3-a5c1-0f6de1b2a3c4'],
        pending: [],
        different: [],
        next: 'p:019a3c5e-7d10-7cc3-a5c1-0f6de1b2a3c4',
      },
    },
  }),
  async ({ c, params: { id }, body: { mode, cursor, limit } }) => {
    const placement = await tenantOf(c.env, id).placement()
    if (placement === undefined) return fail('not-found', 'id: no such tenant')
    const scope: Scope = {
      env: c.env,
      tenant: id,
      ask: (question) =>
        fromDependency(
          placement.shard,
          async () => question(await openShard(loadConfig(c.env), platformOf(c.env), placement.shard, 'read')),
          c.env.request,
        ),
    }
    const { ids, next } = await pageOf(scope, cursor, limit)
    return { status: 200, body: { ...(await rebuildSome(scope, ids, mode)), next } }
  },
)

/** A tenant and its shard. */
interface Scope {
  readonly env: Env
  readonly tenant: string
  readonly ask: <T>(question: (database: Database) => Promise<T>) => Promise<T>
}

/**
 * A page of conversations: first those that Postgres knows (cursors `p:<id>`), then those that only the Activity actors know
 * (`<number>:<id>`), whose rows Postgres has lost.
 */
async function pageOf(
  scope: Scope,
  cursor: string,
  limit: number,
): Promise<{ readonly ids: readonly string[]; readonly next: string | null }> {
  const [, source = 'p', after = ''] =
    /^(p|\d{1,3}):(.*)$/.exec(cursor === '' ? 'p:' : cursor) ??
    fail('invalid-request', 'cursor: not one that this operation gave')
  if (source === 'p') {
    const ids = await scope.ask((database) => selectConversations(database, scope.tenant, after, limit))
    return { ids, next: ids.length < limit ? '0:' : `p:${ids.at(-1) ?? ''}` }
  }
  const number = Number(source)
  const names = await activityOf(scope.env, scope.tenant, number).conversations(after)
  const known = await scope.ask((database) => knownConversations(database, scope.tenant, names.ids))
  const lacking = names.ids.filter((id) => !known.has(id))
  const ids = lacking.slice(0, limit)
  const last = lacking.length > limit ? ids.at(-1) : names.next
  if (last !== null && last !== undefined) return { ids, next: `${number}:${last}` }
  const isLastActor = number + 1 >= loadConfig(scope.env).activityActors(scope.tenant)
  return { ids, next: isLastActor ? null : `${number + 1}:` }
}

type Outcome = Omit<RebuildAnswer, 'next'>

async function rebuildSome(
  scope: Scope,
  ids: readonly string[],
  mode: 'compare' | 'differing' | 'all',
): Promise<Outcome> {
  const before = await compareTwice(scope, ids)
  const wanted = ids.filter((id) => {
    const difference = before.get(id)
    if (mode === 'compare' || difference?.kind === 'unknown' || difference?.kind === 'pending') return false
    return mode === 'all' || (difference?.kind === 'different' && difference.isRepairable)
  })
  await inLanes(calledTogether, wanted, async (id) => {
    await callConversation(scope.env, scope.tenant, id, (conversation) => conversation.rebuild())
  })
  const after = wanted.length === 0 ? before : new Map([...before, ...(await whenWritten(scope, wanted))])
  return outcomeOf(ids, wanted, after)
}

function outcomeOf(
  ids: readonly string[],
  wanted: readonly string[],
  compared: ReadonlyMap<string, Difference>,
): Outcome {
  const pending = ids.filter((id) => compared.get(id)?.kind === 'pending')
  const rebuilt = wanted.filter((id) => !pending.includes(id))
  const different = ids.flatMap((conversation): Outcome['different'] => {
    const difference = compared.get(conversation)
    if (difference?.kind === 'unknown')
      return [{ conversation, months: [], properties: false, lost: 0, isUnknown: true }]
    if (difference?.kind !== 'different') return []
    const { months, properties, lost } = difference
    return [{ conversation, months: [...months], properties, lost, isUnknown: false }]
  })
  const equal = ids.length - pending.length - different.length
  return { checked: ids.length, equal, rebuilt: [...rebuilt], pending, different }
}

/** Compares conversations once their rebuild is over; those that take longer than this call may wait are still pending. */
async function whenWritten(scope: Scope, ids: readonly string[]): Promise<Map<string, Difference>> {
  const until = systemClock.now() + waitMs
  let compared = await compareTwice(scope, ids)
  const isAnyPending = () => [...compared.values()].some(({ kind }) => kind === 'pending')
  while (isAnyPending() && systemClock.now() < until) {
    await scheduler.wait(lookMs)
    compared = await compareTwice(scope, ids)
  }
  return compared
}

/** Of what differs at first a part may have been written in between: it is compared once more. */
async function compareTwice(scope: Scope, ids: readonly string[]): Promise<Map<string, Difference>> {
  const compared = await compare(scope, ids)
  const again = ids.filter((id) => compared.get(id)?.kind === 'different')
  return again.length === 0 ? compared : new Map([...compared, ...(await compare(scope, again))])
}

async function compare({ env, tenant, ask }: Scope, ids: readonly string[]): Promise<Map<string, Difference>> {
  const own = new Map<string, ConversationChecksums | undefined>()
  await inLanes(calledTogether, ids, async (id) => {
    own.set(id, await callConversation(env, tenant, id, (conversation) => conversation.checksums()))
  })
  const known = [...own].flatMap(([conversation, checksums]) =>
    checksums === undefined || checksums.isRebuilding ? [] : [{ conversation, ...checksums }],
  )
  const stored = known.length === 0 ? undefined : await ask((database) => readStored(database, tenant, known))
  return new Map(ids.map((id) => [id, differenceOf(own.get(id), stored?.(id))]))
}

/** What Postgres has of the same entries. */
async function readStored(
  database: Database,
  tenant: string,
  known: readonly (ConversationChecksums & { readonly conversation: string })[],
): Promise<(conversation: string) => StoredChecksums> {
  const ids = known.map(({ conversation }) => conversation)
  const old = known.map(({ conversation, epoch, first }) => ({ conversation, epoch, before: first }))
  const [months, properties, counts] = await Promise.all([
    selectChecksums(database, tenant, known),
    selectPropertiesChecksums(database, tenant, ids),
    countOldEntries(database, tenant, old),
  ])
  return (id) => ({ months: months.get(id) ?? [], properties: properties.get(id), old: counts.get(id) ?? 0 })
}
