import { z } from 'zod'
import type { Projected, ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'
import { insertMessages } from './insert-messages.ts'
import { lockArchive } from './lock-archive.ts'
import { writeWithPosition } from './log-position.ts'
import { removeProperties, removeRanges } from './remove-range.ts'
import { restoreArchived } from './restore-archived.ts'
import { scrubbedPlaces, scrubMessages } from './scrub-messages.ts'
import { setTenants } from './set-tenants.ts'
import { upsertConversations } from './upsert-conversations.ts'
import { upsertMembers } from './upsert-members.ts'

const misplaced = z.array(z.object({ tenant_id: z.string() }))

/**
 * Writes the batches of many conversations in one transaction and one round trip, each row once however often it
 * arrives. Returns an answer for each. A batch whose placement epoch is not the shard's newest has written nothing. `shard` names
 * the database, whose position behind the commit is in the answers.
 */
export async function writeBatches(
  db: Database,
  batches: readonly ProjectionBatch[],
  shard = '',
): Promise<Projected[]> {
  const tenants = [...new Set(batches.map(({ tenant }) => tenant))]
  const scrubs = batches.some(({ scrubbed }) => scrubbed.length > 0)
  const rebuilds = batches.some(({ replaced }) => replaced !== undefined)
  const removals = rebuilds ? 3 : 0
  const { results: answers, position } = await writeWithPosition(db, shard, () => {
    const statements = [setTenants(db, tenants)]
    if (rebuilds) statements.push(lockArchive(db, tenants), removeRanges(db, batches), removeProperties(db, batches))
    statements.push(insertMessages(db, batches))
    if (batches.some(({ facts: properties }) => properties !== undefined))
      statements.push(upsertConversations(db, batches), upsertMembers(db, batches))
    if (scrubs) statements.push(lockArchive(db, tenants), restoreArchived(db, batches), scrubMessages(db, batches))
    return statements
  })
  const stale = new Set(misplaced.parse(answers[1 + removals]).map(({ tenant_id }) => tenant_id))
  const places = scrubs ? scrubbedPlaces.parse(answers.at(-1)) : []
  return batches.map(({ tenant, conversation, epoch }) =>
    stale.has(tenant)
      ? { kind: 'misplaced' }
      : {
          kind: 'written',
          scrubbed: places
            .filter((at) => at.tenant_id === tenant && at.conversation_id === conversation && at.epoch === epoch)
            .map(({ seq }) => seq),
          ...(position === undefined ? {} : { position }),
        },
  )
}
