import { z } from 'zod'
import { backoffMs } from '../kernel/retry.ts'

/**
 * Between the moment from which no token of the user is accepted and the first change, in milliseconds: what was revoked is known
 * everywhere within ten seconds, so that no call that was admitted before writes after that.
 */
export const settleMs = 15_000
/** The pause before all stores of a stage are looked at again, because something was found; longer each time. */
const againMs = 1000
const maxAgainMs = 300_000
const maxRetryMs = 60_000
/** Between two calls that change parts, so that others are served. */
const pauseMs = 500

/** First what conversations hold, which are found by the user's own list; then what the user alone has, the list included. */
export const erasureStages = ['conversations', 'own'] as const
export type ErasureStage = (typeof erasureStages)[number]

/** The stores of each stage, in the order in which they are gone through. */
export type ErasurePlan = Readonly<Record<ErasureStage, readonly string[]>>

const count = z.int().nonnegative()
const storeShape = z.object({
  /** What was deleted or rewritten: entries, rows, actors. */
  erased: count,
  /** What the last round still found. */
  left: count,
})

/** The erasure of a user as it is stored, without the user's id. */
export const userErasure = z.object({
  run: z.string(),
  messages: z.enum(['delete', 'keep-anonymous']),
  /** "" once the erasure is over: nothing connects the user with it then. */
  pseudonym: z.string(),
  requestedAt: z.number(),
  endedAt: z.number().nullable(),
  phase: z.enum(['settling', 'erasing', 'erased']),
  stage: z.enum(erasureStages),
  store: z.string(),
  cursor: z.string(),
  /** How often all stores of the stage were gone through before, and what the round under way has found. */
  rounds: count,
  found: count,
  nextAt: z.number(),
  failures: count,
  failure: z.string().nullable(),
  /** Raised with every change. */
  revision: count,
  stores: z.record(z.string(), storeShape),
})
export type UserErasure = z.output<typeof userErasure>

/** A new erasure, of which nothing is done but that the user's tokens are refused. */
export const requested = (given: Pick<UserErasure, 'run' | 'messages' | 'pseudonym'>, now: number): UserErasure => ({
  ...given,
  requestedAt: now,
  endedAt: null,
  phase: 'settling',
  stage: erasureStages[0],
  store: '',
  cursor: '',
  rounds: 0,
  found: 0,
  nextAt: now + settleMs,
  failures: 0,
  failure: null,
  revision: 0,
  stores: {},
})

/** The store whose next part is due, and where it begins; undefined while nothing is due. */
export function nextPart(
  erasure: UserErasure,
  plan: ErasurePlan,
  now: number,
): { readonly store: string; readonly cursor: string } | undefined {
  const { phase, nextAt, stage, store, cursor } = erasure
  if (phase === 'erased' || now < nextAt) return undefined
  const stores = plan[stage]
  // One that the plan of this version does not have begins the stage anew.
  return stores.includes(store) ? { store, cursor } : { store: stores[0] ?? '', cursor: '' }
}

/**
 * A part of a store was gone through, and `erased` things were changed. A stage is over once a whole round has found nothing: that is the
 * proof as well.
 */
export function afterPart(
  erasure: UserErasure,
  plan: ErasurePlan,
  { store, erased, next }: { readonly store: string; readonly erased: number; readonly next: string | null },
  now: number,
): UserErasure {
  const known = erasure.stores[store] ?? { erased: 0, left: 0 }
  const isFirst = erasure.store !== store || erasure.cursor === ''
  const on: UserErasure = {
    ...erasure,
    phase: 'erasing',
    failures: 0,
    failure: null,
    revision: erasure.revision + 1,
    found: erasure.found + erased,
    stores: {
      ...erasure.stores,
      [store]: { erased: known.erased + erased, left: (isFirst ? 0 : known.left) + erased },
    },
  }
  if (next !== null) return { ...on, store, cursor: next }
  const stores = plan[on.stage]
  const following = stores[stores.indexOf(store) + 1]
  if (following !== undefined) return { ...on, store: following, cursor: '' }
  const anew = { ...on, store: stores[0] ?? '', cursor: '', found: 0 }
  if (on.found > 0)
    return {
      ...anew,
      rounds: on.rounds + 1,
      nextAt: now + Math.min(maxAgainMs, againMs * 2 ** Math.min(on.rounds, 20)),
    }
  const stage = erasureStages[erasureStages.indexOf(on.stage) + 1]
  if (stage !== undefined) return { ...anew, stage, store: plan[stage][0] ?? '', rounds: 0 }
  return { ...anew, store: '', phase: 'erased', endedAt: now, pseudonym: '' }
}

/** A part failed; it is repeated after growing pauses. `reason` does not name the user. */
export function afterFailure(erasure: UserErasure, reason: string, now: number, random: number): UserErasure {
  const failures = erasure.failures + 1
  const nextAt = now + backoffMs(failures, 1000, maxRetryMs, random)
  return { ...erasure, failures, failure: reason, nextAt, revision: erasure.revision + 1 }
}

/** Where a step of the run stands: `settle`, or a stage. */
export function standOf(
  { phase, stage, nextAt, failure, store, rounds }: UserErasure,
  step: string,
  now: number,
): { readonly kind: 'done' } | { readonly kind: 'unfinished'; readonly detail: string; readonly inMs: number } {
  const place = erasureStages.findIndex((each) => each === step)
  const isBehind = phase !== 'settling' && erasureStages.indexOf(stage) > place
  if (phase === 'erased' || (isBehind && place >= 0)) return { kind: 'done' }
  if (step === 'settle' && now >= nextAt) return { kind: 'done' }
  const detail =
    step === 'settle' ? 'calls that were admitted before end' : (failure ?? `${store}, round ${rounds + 1}`)
  return { kind: 'unfinished', detail, inMs: Math.max(step === 'settle' ? 1 : pauseMs, nextAt - now) }
}
