import type { DeletionView } from '../protocol/deletion-api.ts'
import { stepOf, type StoreProgress, type TenantDeletion } from './deletion.ts'
import { stages, stepsOf, type Step } from './deletion-plan.ts'
import { tenantStores } from './stores.ts'

/** A deletion as its operator sees it: every store in the order of the plan. */
export function reportOf(tenant: string, deletion: TenantDeletion): DeletionView {
  const { phase, requestedAt, eraseAt, startedAt, endedAt, rounds, failure, nextAt } = deletion
  const isOver = phase === 'deleted'
  return {
    tenant,
    phase,
    requestedAt,
    eraseAt,
    startedAt,
    endedAt,
    rounds,
    waitsFor: waitsFor(deletion),
    failure,
    nextAt: isOver ? null : Math.ceil(nextAt),
    stores: stages.flatMap((stage) => stepsOf(stage).map((step) => storeOf(deletion, step))),
  }
}

function storeOf(deletion: TenantDeletion, step: Step): DeletionView['stores'][number] {
  const known: StoreProgress | undefined = deletion.stores[step.id]
  const { erased = 0, of = null, checked = 0, left = 0 } = known ?? {}
  const { holds } = tenantStores[step.store]
  return { store: step.id, holds, state: progressOf(deletion, step, known), erased, of, checked, left }
}

function progressOf(
  deletion: TenantDeletion,
  step: Step,
  known: StoreProgress | undefined,
): DeletionView['stores'][number]['state'] {
  const { phase } = deletion
  const isNow = (phase === 'erasing' || phase === 'verifying') && stepOf(deletion)?.id === step.id
  if (isNow) return phase
  if (known === undefined) return 'waiting'
  return known.isVerified ? 'empty' : 'erased'
}

function waitsFor(deletion: TenantDeletion): string | null {
  const { phase, failure } = deletion
  if (phase === 'deleted') return null
  if (failure !== null) return failure.split(':', 1)[0] ?? null
  if (phase === 'grace') return 'the end of the grace'
  if (phase === 'fencing') return 'late calls to be kept out'
  return stepOf(deletion)?.id ?? null
}
