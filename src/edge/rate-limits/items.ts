import type { Principal } from '../../auth/principal.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { decideAll, type Decision } from '../../limits/decide.ts'
import { Touches } from '../../limits/touches.ts'
import { platformLevel, termsOf } from './platform-limits.ts'
import { decider, rateLimitExceeded } from './request-limits.ts'

/** A caller that the items of a request are charged to: a tenant's server by its key, or one of its users. */
export type ChargedCaller = Exclude<Principal, { kind: 'anonymous' }>

/** Actor calls of requests with many items, of this isolate. */
export const touches = new Touches({ now: () => systemClock.now(), wait: (ms) => scheduler.wait(ms) })

/** Takes what `items` cost from the caller and its tenant, before they are worked on; the request itself was charged for the first. */
export async function decideItems(env: Env, caller: ChargedCaller, items: number): Promise<Decision> {
  if (items <= 1) return { kind: 'taken' }
  const { tenant } = caller
  const terms = await termsOf(env, tenant)
  const own =
    caller.kind === 'server'
      ? platformLevel(env, terms, { tenant, policy: 'items-key', key: caller.keyId })
      : platformLevel(env, terms, { tenant, policy: 'items-user', key: caller.user })
  const all = platformLevel(env, terms, { tenant, policy: 'items-tenant', key: '' })
  return await decideAll(
    decider,
    [own, all].map((level) => ({ ...level, cost: items - 1 })),
  )
}

/** The checks of a batch count like as many requests for one: the request itself was charged for the first. */
export async function takeChecks(
  env: Env,
  { tenant, keyId }: Extract<ChargedCaller, { kind: 'server' }>,
  checks: number,
): Promise<void> {
  if (checks <= 1) return
  const level = platformLevel(env, await termsOf(env, tenant), { tenant, policy: 'checks', key: keyId })
  const decision = await decideAll(decider, [{ ...level, cost: checks - 1 }])
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}

/** Recipients of a notification have a bucket of their own, which the largest request fits into. */
export async function takeRecipients(
  env: Env,
  { tenant }: Extract<ChargedCaller, { kind: 'server' }>,
  recipients: number,
): Promise<void> {
  if (recipients <= 1) return
  const level = platformLevel(env, await termsOf(env, tenant), { tenant, policy: 'recipients', key: '' })
  const decision = await decideAll(decider, [{ ...level, cost: recipients - 1 }])
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}

/** The bytes of a file are taken from those of its tenant, in mebibytes, before any is stored. */
export async function takeMebibytes(env: Env, { tenant }: ChargedCaller, mebibytes: number): Promise<void> {
  const level = platformLevel(env, await termsOf(env, tenant), { tenant, policy: 'upload-mebibytes', key: '' })
  const decision = await decideAll(decider, [{ ...level, cost: mebibytes }])
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}

/** The same for routes: a refusal is thrown as the problem that HTTP tells. */
export async function takeItems(env: Env, caller: ChargedCaller, items: number): Promise<void> {
  const decision = await decideItems(env, caller, items)
  if (decision.kind === 'limited') throw rateLimitExceeded(decision.key, decision.retryAfterMs)
}
