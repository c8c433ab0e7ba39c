import { z } from 'zod'
import type { Projected, ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'
import { insertMessages } from './insert-messages.ts'
import { scrubMessages } from './scrub-messages.ts'
import { setTenants } from './set-tenants.ts'
import { upsertConversations } from './upsert-conversations.ts'
import { upsertMembers } from './upsert-members.ts'

const misplaced = z.array(z.object({ tenant_id: z.string() }))

/**
 * Writes many conversations' batches in one transaction and one round trip, each row once however often it comes.
 * Returns an answer per batch; a batch whose placement epoch is not the shard's newest has written nothing.
 */
export async function writeBatches(db: Database, batches: readonly ProjectionBatch[]): Promise<Projected[]> {
  const tenants = [...new Set(batches.map(({ tenant }) => tenant))]
  const statements = [setTenants(db, tenants), insertMessages(db, batches)]
  if (batches.some(({ facts }) => facts !== undefined))
    statements.push(upsertConversations(db, batches), upsertMembers(db, batches))
  if (batches.some(({ scrubbed }) => scrubbed.length > 0)) statements.push(scrubMessages(db, batches))

  const [, rejected] = await db.transaction(statements)
  const stale = new Set(misplaced.parse(rejected).map(({ tenant_id }) => tenant_id))
  return batches.map(({ tenant }) => ({ kind: stale.has(tenant) ? 'misplaced' : 'written' }))
}
