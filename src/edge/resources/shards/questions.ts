import { z } from 'zod'
import { selectCounts, selectMemberships, selectTop } from '../../../adapters/neon/operator-questions.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { dayOf, midnightBefore } from '../../../kernel/day.ts'
import type { Env } from '../../../env.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import {
  countsFound,
  countsQuery,
  countsView,
  membershipsQuery,
  membershipsView,
  topFound,
  topQuery,
  topView,
} from '../../../protocol/shards-api.ts'
import { mergeFound, mergeTop, readRank } from '../../../tenants/merge-answers.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { aggregate } from './aggregate.ts'
import { askShards } from './ask-shards.ts'

const tag = 'Operator'
const access = 'operator'
const partial =
  'All shards are asked at one time. Those that did not answer in time are named in `missing`; what they hold is not in the answer.'

/** What was found is kept for an hour: a count of all shards is a scan of each. */
const hourly = 'Answered from what was found within the last hour, unless `fresh=true` or a shard did not answer then.'

const countRows = operation(
  defineOperation({
    id: 'countShards',
    method: 'get',
    path: '/admin/v1/shards/counts',
    tag,
    summary: 'Count what all shards hold',
    description: `${partial} Tenants and bytes are exact, all other counts are estimates of the database. ${hourly}`,
    access,
    query: countsQuery,
    responses: { 200: countsView },
    example: {
      response: {
        total: { tenants: 2, bytes: 90_000_000, conversations: 120, messages: 45_000, archivedPages: 0 },
        shards: [
          { shard: 'shard0', tenants: 2, bytes: 90_000_000, conversations: 120, messages: 45_000, archivedPages: 0 },
        ],
        missing: [{ shard: 'shard1', reason: 'the answer timed out after 4000 ms' }],
        asOf: 1_790_000_000_000,
      },
    },
  }),
  async ({ c, query: { fresh } }) => {
    const wanted = { key: 'counts', isFresh: fresh === 'true', schema: countsFound }
    const { found, asOf, age } = await aggregate(c.env, wanted, () => countAll(c.env))
    return { status: 200, body: { ...found, asOf }, age }
  },
)

async function countAll(env: Env): Promise<z.input<typeof countsFound>> {
  const { answers, missing } = await askShards(env, selectCounts)
  const total = { tenants: 0, bytes: 0, conversations: 0, messages: 0, archivedPages: 0 }
  for (const { answer } of answers) {
    total.tenants += answer.tenants
    total.bytes += answer.bytes
    total.conversations += answer.conversations
    total.messages += answer.messages
    total.archivedPages += answer.archivedPages
  }
  const shards = answers.map(({ shard, answer }) => ({ shard, ...answer }))
  return { total, shards, missing: [...missing] }
}

const findUser = operation(
  defineOperation({
    id: 'findUser',
    method: 'get',
    path: '/admin/v1/users/{user}',
    tag,
    summary: 'Find the tenants in which a user is a member of conversations',
    description: `${partial} A page may be empty and have a next one. Postgres is asked, which learns of new members a little later.`,
    access,
    params: z.object({ user: userId }),
    query: membershipsQuery,
    responses: { 200: membershipsView },
    example: { response: { user: 'alice', tenants: [{ tenant: 'acme', conversations: 3 }], next: null, missing: [] } },
  }),
  async ({ c, params: { user }, query: { cursor, limit } }) => {
    const { answers, missing } = await askShards(c.env, (reader) => selectMemberships(reader, user, cursor))
    const { found, next } = mergeFound(
      answers.map(({ answer }) => answer),
      limit,
    )
    return { status: 200, body: { user, tenants: found, next, missing: [...missing] } }
  },
)

const listTop = operation(
  defineOperation({
    id: 'listTopTenants',
    method: 'get',
    path: '/admin/v1/top-tenants',
    tag,
    summary: 'List the tenants that used the most',
    description: `${partial} Days are UTC; the last seven unless given. \`connections\` ranks by the highest day, all others by the sum. ${hourly}`,
    access,
    query: topQuery,
    responses: { 200: topView },
    example: {
      response: {
        by: 'messages',
        from: '2026-11-24',
        to: '2026-11-30',
        tenants: [{ tenant: 'acme', total: 45_000 }],
        next: null,
        missing: [],
        asOf: 1_790_000_000_000,
      },
    },
  }),
  async ({ c, query }) => {
    const { by, limit, cursor, fresh, to = dayOf(systemClock.now()) } = query
    const { from = dayOf(midnightBefore(Date.parse(to), 6)) } = query
    if (from > to) fail('invalid-request', 'from, to: from must not be after to')
    const after = cursor === '' ? undefined : readRank(cursor)
    if (cursor !== '' && after === undefined) fail('invalid-request', 'cursor: not one that this operation gave')
    const question = { by, from, to, after, limit: limit + 1 }
    const wanted = {
      key: ['top', by, from, to, limit, cursor].join(' '),
      isFresh: fresh === 'true',
      schema: topFound,
    }
    const { found, asOf, age } = await aggregate(c.env, wanted, async () => {
      const { answers, missing } = await askShards(c.env, (reader, isOver) => selectTop(reader, question, isOver))
      const { top, next } = mergeTop(
        answers.map(({ answer }) => answer),
        limit,
      )
      return { by, from, to, tenants: top, next, missing: [...missing] }
    })
    return { status: 200, body: { ...found, asOf }, age }
  },
)

/** The operator's questions that concern all shards. */
export const questions = [countRows, findUser, listTop]
