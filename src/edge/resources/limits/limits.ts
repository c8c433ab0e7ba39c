import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { callLimiter } from '../../../../durable-objects/open-actors.ts'
import { limiterName } from '../../../limits/limiter-names.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { decideAll, type Decision, type Level } from '../../../limits/decide.ts'
import { TooManyActors } from '../../../limits/open-actors.ts'
import { limiterTimeoutMs } from '../../../limits/reach.ts'
import { capacityUnder, overshootBound, rulesOf } from '../../../limits/rules.ts'
import {
  check,
  checkAnswer,
  checkBatch,
  checkBatchAnswer,
  keyOfPolicy,
  keyState,
  namedPolicy,
  newPolicy,
  policyName,
  release,
  reserve,
  reserveAnswer,
  writtenPolicy,
  type CheckAnswer,
  type StoredPolicy,
} from '../../../protocol/limits-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { tenantLimits, type StoredTenant } from '../../../tenants/record.ts'
import type { Env } from '../../../env.ts'
import { operation } from '../../http/operations.ts'
import { takeChecks, touches } from '../../rate-limits/items.ts'
import { decider, levelOf, ownPolicy } from '../../rate-limits/request-limits.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant, tenantRecordOf } from '../../identity/tenants.ts'

type Check = z.output<typeof check>

const tag = 'Limits'
const access = 'server'
const rateLimit = 'checks'
const params = z.object({ name: policyName })
const target = { policy: 'logins', key: 'alice' }
const examplePolicy = {
  name: 'logins',
  windows: [{ algorithm: 'token-bucket', limit: 5, windowSeconds: 60 }],
  mode: 'hard',
  whenUnreachable: 'open',
  version: 3,
  overshootBound: 0,
} as const
const exampleAnswer = { allowed: true, remaining: 4, limit: 5, retryAfterMs: 0, resetMs: 12_000 }

const readLimits = operation(
  defineOperation({
    id: 'readLimits',
    method: 'get',
    path: '/v1/limits',
    tag,
    summary: 'Read your plan and the limits that hold for you',
    access,
    rateLimit,
    responses: {
      200: z.object({
        plan: z.string().optional(),
        limits: tenantLimits.meta({ id: 'Limits' }).optional().describe('Rates are per second'),
      }),
    },
    example: { response: { plan: 'default' } },
  }),
  async ({ c, caller }) => {
    const record = await tenantRecordOf(c.env, caller.tenant, systemClock.now())
    return { status: 200, body: { plan: record?.plan, limits: record?.limits } }
  },
)

const putPolicy = operation(
  defineOperation({
    id: 'putPolicy',
    method: 'put',
    path: '/v1/limits/policies/{name}',
    tag,
    summary: 'Create or change a rate limit policy',
    description: 'Several windows may hold together. One window may be written flat, without `windows`.',
    access,
    rateLimit,
    params,
    body: newPolicy,
    documentedBody: writtenPolicy,
    responses: { 200: namedPolicy },
    errors: ['conflict'],
    example: { body: { algorithm: 'token-bucket', limit: 5, windowSeconds: 60 }, response: examplePolicy },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    const policy = accepted(await tenantOf(c.env, tenant).setPolicy(name, body))
    await forgetTenant(c.env, tenant)
    return { status: 200, body: view(name, policy.policy) }
  },
)

const listPolicies = operation(
  defineOperation({
    id: 'listPolicies',
    method: 'get',
    path: '/v1/limits/policies',
    tag,
    summary: 'List your policies',
    access,
    rateLimit,
    responses: { 200: z.object({ policies: z.array(namedPolicy) }) },
    example: { response: { policies: [examplePolicy] } },
  }),
  async ({ c, caller }) => {
    const policies = Object.entries((await tenantOf(c.env, caller.tenant).record())?.policies ?? {})
    return { status: 200, body: { policies: policies.map(([name, policy]) => view(name, policy)) } }
  },
)

const deletePolicy = operation(
  defineOperation({
    id: 'deletePolicy',
    method: 'delete',
    path: '/v1/limits/policies/{name}',
    tag,
    summary: 'Delete a policy',
    access,
    rateLimit,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const dropped = await tenantOf(c.env, tenant).dropPolicy(name)
    await forgetTenant(c.env, tenant)
    return dropped ? { status: 204 } : fail('not-found', `policy: there is no policy "${name}"`)
  },
)

const checkLimit = operation(
  defineOperation({
    id: 'checkLimit',
    method: 'post',
    path: '/v1/limits/check',
    tag,
    summary: 'Decide one use of a key',
    description: 'A refusal is an answer with `allowed: false`, not an error.',
    access,
    rateLimit,
    body: check,
    responses: { 200: checkAnswer },
    errors: ['not-found'],
    example: { body: target, response: exampleAnswer },
  }),
  async ({ c, caller: { tenant }, body }) => {
    const level = await levelFor(c.env, tenant, body)
    return { status: 200, body: answer(level, await touches.one(tenant, () => decideAll(decider, [level]))) }
  },
)

const checkLimits = operation(
  defineOperation({
    id: 'checkLimits',
    method: 'post',
    path: '/v1/limits/check-batch',
    tag,
    summary: 'Decide several uses',
    description: 'With `allOrNone` they are one decision: a refusal of one refuses all, and nothing is taken.',
    access,
    rateLimit,
    body: checkBatch,
    responses: { 200: checkBatchAnswer },
    errors: ['not-found'],
    example: { body: { checks: [target] }, response: { results: [exampleAnswer] } },
  }),
  async ({ c, caller, body: { checks, allOrNone } }) => {
    await takeChecks(c.env, caller, checks.length)
    const levels = await Promise.all(checks.map((each) => levelFor(c.env, caller.tenant, each)))
    return { status: 200, body: await (allOrNone ? checkTogether(levels) : checkEach(caller.tenant, levels)) }
  },
)

const peekLimit = operation(
  defineOperation({
    id: 'peekLimit',
    method: 'post',
    path: '/v1/limits/peek',
    tag,
    summary: 'Read how much of a key is left, without using it',
    access,
    rateLimit,
    body: keyOfPolicy,
    responses: { 200: keyState },
    errors: ['not-found'],
    example: { body: target, response: { remaining: 4, limit: 5, resetMs: 12_000, leased: 1 } },
  }),
  async ({ c, caller: { tenant }, body }) => {
    const { name, rules } = await keyFor(c.env, tenant, body)
    return { status: 200, body: await callLimiter(c.env, name, (limiter) => limiter.peek(rules)) }
  },
)

const resetLimit = operation(
  defineOperation({
    id: 'resetLimit',
    method: 'post',
    path: '/v1/limits/reset',
    tag,
    summary: 'Forget what a key has used',
    access,
    rateLimit,
    body: keyOfPolicy,
    responses: { 200: z.object({ reset: z.boolean() }) },
    errors: ['not-found'],
    example: { body: target, response: { reset: true } },
  }),
  async ({ c, caller: { tenant }, body }) => {
    const { name, rules } = await keyFor(c.env, tenant, body)
    await callLimiter(c.env, name, (limiter) => limiter.reset(rules))
    decider.holder.forget(name)
    return { status: 200, body: { reset: true } }
  },
)

const reserveUnits = operation(
  defineOperation({
    id: 'reserveUnits',
    method: 'post',
    path: '/v1/limits/reserve',
    tag,
    summary: 'Keep units, or a slot of a concurrency policy, until they are released',
    access,
    rateLimit,
    body: reserve,
    responses: { 200: reserveAnswer },
    errors: ['not-found'],
    example: {
      body: { ...target, ttlSeconds: 60 },
      response: { reserved: true, reservation: 7, expiresInMs: 60_000, remaining: 4 },
    },
  }),
  async ({ c, caller: { tenant }, body: { cost, ttlSeconds, ...wanted } }) => {
    const { name, rules } = await keyFor(c.env, tenant, wanted, cost)
    const reserved = await callLimiter(c.env, name, (limiter) => limiter.reserve(rules, cost, ttlSeconds * 1000))
    if (reserved.kind === 'limited')
      return { status: 200, body: { reserved: false, retryAfterMs: reserved.retryAfterMs } }
    const { lease: reservation, forMs: expiresInMs, remaining } = reserved
    return { status: 200, body: { reserved: true, reservation, expiresInMs, remaining } }
  },
)

const releaseUnits = operation(
  defineOperation({
    id: 'releaseUnits',
    method: 'post',
    path: '/v1/limits/release',
    tag,
    summary: 'End a reservation; units that were not used return',
    access,
    rateLimit,
    body: release,
    responses: { 200: z.object({ released: z.boolean().describe('false when the reservation was over already') }) },
    errors: ['not-found'],
    example: { body: { ...target, reservation: 7, used: 1 }, response: { released: true } },
  }),
  async ({ c, caller: { tenant }, body: { reservation, used, ...wanted } }) => {
    const { name, rules } = await keyFor(c.env, tenant, wanted)
    const released = await callLimiter(c.env, name, (limiter) =>
      limiter.release(rules, reservation, used ?? Number.MAX_SAFE_INTEGER),
    )
    return { status: 200, body: { released } }
  },
)

/** Rate limits as a service: a tenant's policies, and decisions by them for the tenant's own servers. */
export const limits = [
  readLimits,
  putPolicy,
  listPolicies,
  deletePolicy,
  checkLimit,
  checkLimits,
  peekLimit,
  resetLimit,
  reserveUnits,
  releaseUnits,
]

/** Each check for itself; as many limiters are asked at once as the tenant may. One that was not decided says why. */
async function checkEach(tenant: string, levels: readonly Level[]): Promise<{ readonly results: CheckAnswer[] }> {
  const decisions = await touches.each(tenant, levels, (level) => decideAll(decider, [level]))
  return { results: levels.map((level, place) => eachAnswer(level, decisions[place] ?? { kind: 'taken' })) }
}

function eachAnswer(level: Level, decision: Decision): CheckAnswer {
  if (decision.kind === 'unreachable') return { ...undecided, error: 'unavailable', retryAfterMs: limiterTimeoutMs }
  if (decision.kind === 'limited' && decision.isFull === true)
    return { ...undecided, error: 'too-many-requests', retryAfterMs: decision.retryAfterMs }
  return answer(level, decision)
}

/** The limiter was not asked: the request is answered 429. */
function refuseIfFull(decision: Decision): void {
  if (decision.kind === 'limited' && decision.isFull === true) throw new TooManyActors(decision.retryAfterMs)
}

const undecided = { allowed: false, remaining: 0, limit: 0, resetMs: 0 }

/** One decision through all: `refused` names the first that said no, and then nothing was taken anywhere. */
async function checkTogether(levels: readonly Level[]) {
  const decision = await decideAll(decider, levels)
  if (decision.kind === 'unreachable') return unreachable()
  refuseIfFull(decision)
  const retryAfterMs = decision.kind === 'limited' ? decision.retryAfterMs : 0
  const refused = decision.kind === 'limited' ? levels.findIndex(({ key }) => key === decision.key) : null
  return { allowed: decision.kind === 'taken', refused, retryAfterMs }
}

function answer({ key }: Level, decision: Decision): CheckAnswer {
  if (decision.kind === 'unreachable') return unreachable()
  refuseIfFull(decision)
  const state = decider.holder.state(key, systemClock.now()) ?? { remaining: 0, limit: 0, resetMs: 0 }
  const retryAfterMs = decision.kind === 'limited' ? decision.retryAfterMs : 0
  return { allowed: decision.kind === 'taken', ...state, retryAfterMs }
}

const unreachable = () =>
  fail('unavailable', 'the limiter could not be reached, and the policy says: then closed; try again')

async function levelFor(env: Env, tenant: string, { policy, key, cost }: Check): Promise<Level> {
  const { name, rules, whenUnreachable } = await keyFor(env, tenant, { policy, key }, cost)
  if (rules.windows.some(({ algorithm }) => algorithm === 'concurrency'))
    return fail('invalid-request', `policy: "${policy}" limits concurrency; use /v1/limits/reserve and release`)
  return levelOf(env, name, () => rules, { cost, whenUnreachable, whenFull: 'refuse' })
}

/** The limiter of a key and the rules it goes by; what the policy could never allow is an error, not a refusal. */
async function keyFor(env: Env, tenant: string, { policy, key }: Omit<Check, 'cost'>, cost = 1) {
  const found = await findPolicy(env, tenant, policy)
  const rules = rulesOf(found)
  const most = capacityUnder(rules)
  if (cost > most)
    return fail('invalid-request', `cost: ${cost} is more than "${policy}" ever allows at once (${most})`)
  return { name: limiterName(tenant, ownPolicy(policy), key), rules, whenUnreachable: found.whenUnreachable }
}

/** From this isolate's record of the tenant; a name it does not know may be new, so its actor is asked. */
async function findPolicy(env: Env, tenant: string, name: string): Promise<StoredPolicy> {
  const known = policyIn(await tenantRecordOf(env, tenant, systemClock.now()), name)
  const found = known ?? policyIn(await tenantOf(env, tenant).record(), name)
  return found ?? fail('not-found', `policy: there is no policy "${name}"; PUT /v1/limits/policies/${name} makes it`)
}

const policyIn = (record: Pick<StoredTenant, 'policies'> | undefined, name: string): StoredPolicy | undefined =>
  record !== undefined && Object.hasOwn(record.policies, name) ? record.policies[name] : undefined

const view = (name: string, { windows, mode, whenUnreachable, version }: StoredPolicy) => ({
  name,
  windows,
  mode,
  whenUnreachable,
  version,
  overshootBound: overshootBound(rulesOf({ windows, mode, version })),
})
