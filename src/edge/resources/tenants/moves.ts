import { z } from 'zod'
import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import type { Database } from '../../../adapters/neon/connect.ts'
import { reasonNotTo } from '../../../adapters/neon/moves.ts'
import { openShard, shardsNow } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { moveView, newMove } from '../../../protocol/moves-api.ts'
import { jurisdictionIn } from '../../../protocol/places.ts'
import type { MoveDecision } from '../../../tenants/move.ts'
import { placeTenant, shardsFor, reasonNotToMove } from '../../../tenants/placement.ts'
import { tenantId, type StoredTenant } from '../../../tenants/record.ts'
import { ShardRefused, type StoredShard } from '../../../tenants/shards.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Operator'
const access = 'operator'
const path = '/admin/v1/tenants/{id}/move'
const params = z.object({ id: tenantId })
const exampleMove = {
  from: 'shard0',
  to: 'shard1',
  serving: 'shard0',
  state: 'copying',
  isReversing: false,
  isPaused: false,
  table: 'messages',
  rows: {
    estimated: 1_020_000,
    copied: 400_000,
    perSecond: 20_000,
    caughtUp: 0,
    compared: 0,
    differing: 0,
    deleted: 0,
  },
  differingIn: [],
  pauseMs: 0,
  fences: 0,
  startedAt: 1_790_000_000_000,
  switchedAt: null,
  endedAt: null,
  failures: 0,
  nextAt: 1_790_000_000_000,
  error: null,
} as const

const startMove = operation(
  defineOperation({
    id: 'startMove',
    method: 'post',
    path: '/admin/v1/tenants/{id}/moves',
    tag,
    summary: 'Move a tenant to another shard',
    description:
      'The rows are copied while the tenant is used, compared, and served by the other shard from then on; the present one keeps them until the move is confirmed.',
    access,
    params,
    body: newMove,
    optionalBody: true,
    responses: { 202: moveView },
    errors: ['conflict'],
    example: { body: { to: 'shard1' }, response: exampleMove },
  }),
  async ({ c, params: { id }, body }) => {
    const record = await tenantOf(c.env, id).record()
    if (record === undefined) return fail('not-found', 'id: no such tenant')
    const { shards } = await shardsNow(loadConfig(c.env), platformOf(c.env))
    const to = body.to ?? chosenFor(record, shards)
    if (!shards.some(({ name }) => name === to)) fail('invalid-request', `to: no shard "${to}" is registered`)
    const refused = reasonNotToMove(record, to, shards)
    if (refused !== undefined) fail('conflict', refused)
    await requireAble(c.env, record, to)
    const { move } = accepted(await tenantOf(c.env, id).startMove({ ...body, to }))
    return { status: 202, body: move }
  },
)

const readMove = operation(
  defineOperation({
    id: 'readMove',
    method: 'get',
    path,
    tag,
    summary: 'Read how far the last move of a tenant is',
    access,
    params,
    responses: { 200: moveView },
    example: { response: exampleMove },
  }),
  async ({ c, params: { id } }) => {
    const move = await tenantOf(c.env, id).move()
    return move === undefined ? noMove() : { status: 200, body: move }
  },
)

const decision = (what: MoveDecision, id: string, summary: string, description: string) =>
  operation(
    defineOperation({
      id,
      method: 'post',
      path: `${path}/${what}`,
      tag,
      summary,
      description,
      access,
      params,
      responses: { 200: moveView },
      errors: ['conflict'],
      example: { response: exampleMove },
    }),
    async ({ c, params: { id: tenant } }) => {
      if ((await tenantOf(c.env, tenant).record()) === undefined) return noMove()
      const { move } = accepted(await tenantOf(c.env, tenant).decideMove(what))
      return { status: 200, body: move }
    },
  )

/** Moves of tenants between shards. */
export const moves = [
  startMove,
  readMove,
  decision(
    'confirm',
    'confirmMove',
    'Confirm a move',
    'In the state `awaiting-confirmation`. The rows on the former shard are deleted; the move cannot be reversed any more.',
  ),
  decision(
    'reverse',
    'reverseMove',
    'Reverse a move',
    'In every state until the move is confirmed. What was written to the new shard meanwhile goes back.',
  ),
  decision(
    'pause',
    'pauseMove',
    'Pause a move',
    'The tenant is used as before. A move that holds up writes ends that first.',
  ),
  decision('resume', 'resumeMove', 'Continue a paused move', 'Also tries again at once after a failure.'),
]

const noMove = (): never => fail('not-found', 'id: no such tenant, or it was never moved')

/** A shard as for a new tenant, but the present one. */
function chosenFor({ id, placement, region }: StoredTenant, shards: readonly StoredShard[]): string {
  const others = shards.filter(({ name }) => name !== placement.shard)
  const to = placeTenant(id, shardsFor({ jurisdiction: jurisdictionIn(id), region }, others))
  return to ?? fail('conflict', 'to: there is no other active shard for the tenant')
}

/** Asks both shards. A move that is under way may have rows there already: it is the tenant that refuses then. */
async function requireAble(env: Env, { id, placement }: StoredTenant, to: string): Promise<void> {
  const before = await tenantOf(env, id).move()
  if (before !== undefined && before.endedAt === null) return
  const [home, other] = [await opened(env, placement.shard, 'id'), await opened(env, to, 'to')]
  const reason = await fromDependency(to, () => reasonNotTo(home, other, id), env.request)
  if (reason !== undefined) fail('conflict', `to: the shard "${to}" cannot take the tenant: ${reason}`)
}

async function opened(env: Env, shard: string, field: string): Promise<Database> {
  try {
    return await openShard(loadConfig(env), platformOf(env), shard, 'write', requestDeadlineMs)
  } catch (thrown) {
    if (thrown instanceof ShardRefused) return fail('conflict', `${field}: the shard ${thrown.message}`)
    return await fromDependency(shard, () => Promise.reject(thrown), env.request)
  }
}
