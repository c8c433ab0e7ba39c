import type { NotificationSpec } from '../../src/notifications/model.ts'
import type {
  RecipientSelection,
  NotificationState,
  NotificationView,
  RefusedRecipient,
} from '../notification-contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'

export interface NotificationRow extends Record<string, SqlStorageValue> {
  id: string
  at: number
  deliver_at: number
  due_at: number | null
  is_canceled: number
  selection: RecipientSelection['kind']
  recipients: number | null
  handed: number
  refused: number
  refusals: string
  spec: string
}

/** A notification as callers see it. */
export function viewOf(row: NotificationRow): NotificationView {
  const spec = parseStored<NotificationSpec>(row.spec)
  return {
    kind: 'notification',
    id: row.id,
    at: row.at,
    deliverAt: row.deliver_at,
    state: stateOf(row),
    workflow: spec.workflow.name,
    version: spec.workflow.version,
    category: spec.category?.name ?? null,
    actor: spec.actor ?? null,
    priority: spec.priority,
    cancellationKey: spec.cancellationKey ?? null,
    selection: row.selection,
    recipients: row.recipients,
    handedOut: row.handed,
    refused: row.refused,
    refusedRecipients: parseStored<RefusedRecipient[]>(row.refusals),
  }
}

function stateOf({
  is_canceled: isCanceled,
  due_at: dueAt,
  at,
  handed,
  deliver_at: deliverAt,
}: NotificationRow): NotificationState {
  if (isCanceled === 1) return 'canceled'
  if (dueAt === null) return 'sent'
  return deliverAt > at && handed === 0 ? 'scheduled' : 'sending'
}
