import { z } from 'zod'
import { backoffMs } from '../kernel/retry.ts'
import { stages, stepsOf, type Stage, type Step } from './deletion-plan.ts'

const dayMs = 86_400_000
/**
 * Between the moment from which no call of the tenant is admitted and the first erasure. Records of tenants are used for ten
 * seconds at most, so that no call that was admitted by an old one writes afterwards.
 */
export const settleMs = 15_000
/** The pause before a stage is erased once more, because something was left; longer each time. */
const againMs = 1000
const maxAgainMs = 300_000
const maxRetryMs = 60_000
/** Between two calls that erase parts, so that others are served. */
const pauseMs = 500

const count = z.int().nonnegative()

/** What is known of one store. */
const storeProgress = z.object({
  /** Rows, actors or keys that were erased. */
  erased: count,
  /** How many there were when the erasure began; null where that is not known. */
  of: count.nullable(),
  /** What the last verification looked at, and what it found there. */
  checked: count,
  left: count,
  isVerified: z.boolean(),
})
export type StoreProgress = z.output<typeof storeProgress>

/** The deletion of a tenant as it is stored. */
export const tenantDeletion = z.object({
  requestedAt: z.number(),
  /** Until then the tenant can be restored. */
  eraseAt: z.number(),
  stateBefore: z.enum(['active', 'suspended']),
  phase: z.enum(['grace', 'fencing', 'erasing', 'verifying', 'deleted']),
  stage: z.enum(stages),
  /** The step that is under way, and where it goes on. */
  step: z.string(),
  cursor: z.string(),
  /** How often a stage was erased again. */
  rounds: count,
  /** When the next turn is due, in milliseconds since the epoch. */
  nextAt: z.number(),
  failures: count,
  /** Why the last turn failed, until one succeeds. */
  failure: z.string().nullable(),
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  stores: z.record(z.string(), storeProgress),
})
export type TenantDeletion = z.output<typeof tenantDeletion>

/** What a turn has to do. */
export type DeletionAction =
  | { readonly kind: 'wait' }
  /** Keep out all callers of the tenant for good, and all late writes. */
  | { readonly kind: 'fence' }
  | { readonly kind: 'erase'; readonly step: Step; readonly cursor: string; readonly isFirst: boolean }
  | { readonly kind: 'verify'; readonly step: Step; readonly cursor: string; readonly isFirst: boolean }
  /** Forget the tenant's own settings. */
  | { readonly kind: 'end' }

/** A part of a store was erased; `next` is where the following part begins, null at the end. */
export interface Erased {
  readonly erased: number
  readonly next: string | null
}

/** A part of a store was looked at. */
export interface Checked {
  readonly checked: number
  readonly left: number
  readonly next: string | null
}

const untouched: StoreProgress = { erased: 0, of: null, checked: 0, left: 0, isVerified: false }

/** The operator deletes a tenant. A deletion that can still be undone takes the new time; a later one stays as it is. */
export function requestDeletion(
  known: TenantDeletion | undefined,
  stateBefore: 'active' | 'suspended',
  graceDays: number,
  now: number,
): TenantDeletion {
  if (known !== undefined && !isInGrace(known)) return known
  const eraseAt = now + graceDays * dayMs
  return {
    requestedAt: known?.requestedAt ?? now,
    eraseAt,
    stateBefore: known?.stateBefore ?? stateBefore,
    phase: 'grace',
    stage: stages[0],
    step: '',
    cursor: '',
    rounds: 0,
    nextAt: eraseAt,
    failures: 0,
    failure: null,
    startedAt: null,
    endedAt: null,
    stores: {},
  }
}

/** Whether the tenant can still be restored. */
export const isInGrace = ({ phase }: TenantDeletion): boolean => phase === 'grace'

/** Whether nothing of the tenant may be written any more. */
export const isErasing = ({ phase }: TenantDeletion): boolean => phase !== 'grace'

/** The next thing to do. */
export function nextAction(deletion: TenantDeletion, now: number): DeletionAction {
  const { phase, nextAt, cursor } = deletion
  if (phase === 'deleted' || now < nextAt) return { kind: 'wait' }
  if (phase === 'grace' || phase === 'fencing') return { kind: 'fence' }
  const step = stepOf(deletion)
  if (step === undefined) return { kind: 'end' }
  const isFirst = cursor === ''
  return { kind: phase === 'erasing' ? 'erase' : 'verify', step, cursor, isFirst }
}

/** The grace is over: from here on there is no way back. */
export const begun = (deletion: TenantDeletion, now: number): TenantDeletion => ({
  ...deletion,
  phase: 'fencing',
  startedAt: deletion.startedAt ?? now,
})

/** No caller of the tenant is admitted any more. */
export const fenced = (deletion: TenantDeletion, now: number): TenantDeletion =>
  atStage(succeeded(deletion), stages[0], now + settleMs)

/** Before the first part of a step: how many there are. */
export const counted = (deletion: TenantDeletion, step: Step, of: number | null): TenantDeletion =>
  noted(deletion, step, (known) => ({
    ...known,
    of: of === null ? known.of : Math.max(known.erased + of, known.of ?? 0),
  }))

/** A part of a step was erased. */
export function afterErasing(deletion: TenantDeletion, step: Step, { erased, next }: Erased): TenantDeletion {
  const on = noted(succeeded(deletion), step, (known) => ({ ...known, erased: known.erased + erased }))
  return next === null ? afterStep(on) : { ...on, cursor: next }
}

/** A part of a step was looked at. A stage of which anything is left is erased once more. */
export function afterChecking(
  deletion: TenantDeletion,
  { step, isFirst }: { readonly step: Step; readonly isFirst: boolean },
  { checked, left, next }: Checked,
  now: number,
): TenantDeletion {
  const on = noted(succeeded(deletion), step, (known) => ({
    ...known,
    checked: (isFirst ? 0 : known.checked) + checked,
    left: (isFirst ? 0 : known.left) + left,
    isVerified: next === null && (isFirst ? 0 : known.left) + left === 0,
  }))
  if (next !== null) return { ...on, cursor: next }
  const isLast = followingStep(on) === undefined
  const isClean = stepsOf(on.stage).every(({ id }) => on.stores[id]?.isVerified === true)
  if (!isLast || isClean) return afterStep(on)
  const pauseMs = Math.min(maxAgainMs, againMs * 2 ** Math.min(on.rounds, 20))
  return { ...atStage(on, on.stage, now + pauseMs), rounds: on.rounds + 1 }
}

/** A turn failed; it is repeated after growing pauses. */
export function afterFailure(deletion: TenantDeletion, reason: string, now: number, random: number): TenantDeletion {
  const failures = deletion.failures + 1
  return {
    ...deletion,
    failures,
    failure: reason,
    nextAt: now + backoffMs(failures, 1000, maxRetryMs, random),
  }
}

/** Everything is gone but this. */
export const ended = (deletion: TenantDeletion, now: number): TenantDeletion => ({
  ...succeeded(deletion),
  phase: 'deleted',
  endedAt: now,
})

/** The step that is under way; the first one of the stage where the stored one is of another version's plan. */
export const stepOf = ({ stage, step }: TenantDeletion): Step | undefined =>
  stepsOf(stage).find(({ id }) => id === step) ?? stepsOf(stage)[0]

/** Where a step of the run that deletes a tenant stands; `none`: the tenant is not deleted. */
export type DeletionProgress =
  | { readonly kind: 'done' | 'none' }
  | { readonly kind: 'unfinished'; readonly detail: string; readonly inMs: number }

/** Where a step of the run stands: `grace`, `fence`, a stage of the plan, or `end`. */
export function progressOf(deletion: TenantDeletion, step: string, now: number): DeletionProgress {
  if (isOver(deletion, step, now)) return { kind: 'done' }
  if (step === 'grace')
    return { kind: 'unfinished', detail: 'it can be restored', inMs: Math.max(1, deletion.eraseAt - now) }
  const detail = deletion.failure ?? `${deletion.phase} ${stepOf(deletion)?.id ?? ''}`.trim()
  return { kind: 'unfinished', detail, inMs: Math.max(pauseMs, deletion.nextAt - now) }
}

function isOver({ phase, eraseAt, stage }: TenantDeletion, step: string, now: number): boolean {
  if (phase === 'deleted') return true
  if (step === 'grace') return phase !== 'grace' || now >= eraseAt
  if (step === 'fence') return phase !== 'grace' && phase !== 'fencing'
  const place = stages.findIndex((each) => each === step)
  return place >= 0 && phase !== 'grace' && phase !== 'fencing' && stages.indexOf(stage) > place
}

function afterStep(deletion: TenantDeletion): TenantDeletion {
  const following = followingStep(deletion)
  if (following !== undefined) return { ...deletion, step: following.id, cursor: '' }
  if (deletion.phase === 'erasing')
    return { ...deletion, phase: 'verifying', step: stepsOf(deletion.stage)[0]?.id ?? '', cursor: '' }
  const next = stages[stages.indexOf(deletion.stage) + 1] ?? 'none'
  return atStage(deletion, next, deletion.nextAt)
}

function followingStep(deletion: TenantDeletion): Step | undefined {
  const steps = stepsOf(deletion.stage)
  const place = steps.findIndex(({ id }) => id === stepOf(deletion)?.id)
  return steps[place + 1]
}

const atStage = (deletion: TenantDeletion, stage: Stage, nextAt: number): TenantDeletion => ({
  ...deletion,
  phase: 'erasing',
  stage,
  step: stepsOf(stage)[0]?.id ?? '',
  cursor: '',
  nextAt,
})

const succeeded = (deletion: TenantDeletion): TenantDeletion => ({ ...deletion, failures: 0, failure: null })

const noted = (
  deletion: TenantDeletion,
  { id }: Step,
  change: (known: StoreProgress) => StoreProgress,
): TenantDeletion => ({
  ...deletion,
  stores: { ...deletion.stores, [id]: change(deletion.stores[id] ?? untouched) },
})
