import { Hono } from 'hono'
import type { z } from 'zod'
import { limiterName, limiterNamed, tenantOf } from '../../../../durable-objects/address.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { decideAll, type Decision, type Level } from '../../../limits/decide.ts'
import { capacityUnder, overshootBound, rulesOf } from '../../../limits/rules.ts'
import {
  check,
  checkBatch,
  keyOfPolicy,
  newPolicy,
  policyName,
  release,
  reserve,
  type CheckAnswer,
  type StoredPolicy,
} from '../../../protocol/limits-api.ts'
import type { StoredTenant } from '../../../tenants/record.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, param } from '../../http/input.ts'
import { takeChecks, touches } from '../../rate-limits/items.ts'
import { decider, levelOf, ownPolicy } from '../../rate-limits/request-limits.ts'
import { server } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant, tenantRecordOf } from '../../identity/tenants.ts'

type Check = z.output<typeof check>

/** Rate limits as a service: a tenant's policies, and decisions by them for the tenant's own servers. */
export const limits = new Hono<App>()
  .get('/', async (c) => {
    const record = await tenantRecordOf(c.env, server(c).tenant, systemClock.now())
    return c.json({ plan: record?.plan, limits: record?.limits })
  })
  .put('/policies/:name', async (c) => {
    const { tenant } = server(c)
    const name = param(c, 'name', policyName)
    const policy = accepted(await tenantOf(c.env, tenant).setPolicy(name, await body(c, newPolicy)))
    await forgetTenant(c.env, tenant)
    return c.json(view(name, policy.policy))
  })
  .get('/policies', async (c) => {
    const policies = Object.entries((await tenantOf(c.env, server(c).tenant).record())?.policies ?? {})
    return c.json({ policies: policies.map(([name, policy]) => view(name, policy)) })
  })
  .delete('/policies/:name', async (c) => {
    const { tenant } = server(c)
    const name = param(c, 'name', policyName)
    const dropped = await tenantOf(c.env, tenant).dropPolicy(name)
    await forgetTenant(c.env, tenant)
    return dropped ? c.body(null, 204) : fail('not-found', `policy: there is no policy "${name}"`)
  })
  .post('/check', async (c) => {
    const level = await levelFor(c, await body(c, check))
    return c.json(answer(level, await touches.one(server(c).tenant, () => decideAll(decider, [level]))))
  })
  .post('/check-batch', async (c) => {
    const { checks, allOrNone } = await body(c, checkBatch)
    await takeChecks(c.env, server(c), checks.length)
    const levels = await Promise.all(checks.map((each) => levelFor(c, each)))
    return c.json(await (allOrNone ? checkTogether(levels) : checkEach(server(c).tenant, levels)))
  })
  .post('/peek', async (c) => {
    const { name, rules } = await keyFor(c, await body(c, keyOfPolicy))
    return c.json(await limiterNamed(c.env, name).peek(rules))
  })
  .post('/reset', async (c) => {
    const { name, rules } = await keyFor(c, await body(c, keyOfPolicy))
    await limiterNamed(c.env, name).reset(rules)
    decider.holder.forget(name)
    return c.json({ reset: true })
  })
  .post('/reserve', async (c) => {
    const { cost, ttlSeconds, ...target } = await body(c, reserve)
    const { name, rules } = await keyFor(c, target, cost)
    const reserved = await limiterNamed(c.env, name).reserve(rules, cost, ttlSeconds * 1000)
    if (reserved.kind === 'full') return c.json({ reserved: false, retryAfterMs: reserved.retryAfterMs })
    const { lease: reservation, forMs: expiresInMs, remaining } = reserved
    return c.json({ reserved: true, reservation, expiresInMs, remaining })
  })
  .post('/release', async (c) => {
    const { reservation, used, ...target } = await body(c, release)
    const { name, rules } = await keyFor(c, target)
    const released = await limiterNamed(c.env, name).release(rules, reservation, used ?? Number.MAX_SAFE_INTEGER)
    return c.json({ released })
  })

/** Each check for itself; as many limiters are asked at once as the tenant may. */
async function checkEach(tenant: string, levels: readonly Level[]): Promise<{ readonly results: CheckAnswer[] }> {
  const decisions = await touches.each(tenant, levels, (level) => decideAll(decider, [level]))
  return { results: levels.map((level, place) => answer(level, decisions[place] ?? { kind: 'taken' })) }
}

/** One decision through all: `refused` names the first that said no, and then nothing was taken anywhere. */
async function checkTogether(levels: readonly Level[]) {
  const decision = await decideAll(decider, levels)
  if (decision.kind === 'unreachable') return unreachable()
  const retryAfterMs = decision.kind === 'limited' ? decision.retryAfterMs : 0
  const refused = decision.kind === 'limited' ? levels.findIndex(({ key }) => key === decision.key) : null
  return { allowed: decision.kind === 'taken', refused, retryAfterMs }
}

function answer({ key }: Level, decision: Decision): CheckAnswer {
  if (decision.kind === 'unreachable') return unreachable()
  const standing = decider.holder.state(key, systemClock.now()) ?? { remaining: 0, limit: 0, resetMs: 0 }
  const retryAfterMs = decision.kind === 'limited' ? decision.retryAfterMs : 0
  return { allowed: decision.kind === 'taken', ...standing, retryAfterMs }
}

const unreachable = () =>
  fail('unavailable', 'the limiter could not be reached, and the policy says: then closed; try again')

async function levelFor(c: AppContext, { policy, key, cost }: Check): Promise<Level> {
  const { name, rules, whenUnreachable } = await keyFor(c, { policy, key }, cost)
  if (rules.windows.some(({ algorithm }) => algorithm === 'concurrency'))
    return fail('invalid-request', `policy: "${policy}" limits concurrency; use /v1/limits/reserve and release`)
  return levelOf(c.env, name, () => rules, { cost, whenUnreachable })
}

/** The limiter of a key and the rules it goes by; what the policy could never allow is an error, not a refusal. */
async function keyFor(c: AppContext, { policy, key }: Omit<Check, 'cost'>, cost = 1) {
  const { tenant } = server(c)
  const found = await findPolicy(c, tenant, policy)
  const rules = rulesOf(found)
  const most = capacityUnder(rules)
  if (cost > most)
    return fail('invalid-request', `cost: ${cost} is more than "${policy}" ever allows at once (${most})`)
  return { name: limiterName(tenant, ownPolicy(policy), key), rules, whenUnreachable: found.whenUnreachable }
}

/** From this isolate's record of the tenant; a name it does not know may be new, so its actor is asked. */
async function findPolicy(c: AppContext, tenant: string, name: string): Promise<StoredPolicy> {
  const known = policyIn(await tenantRecordOf(c.env, tenant, systemClock.now()), name)
  const found = known ?? policyIn(await tenantOf(c.env, tenant).record(), name)
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
