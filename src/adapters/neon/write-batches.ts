import { z } from 'zod'
import type { Projected, ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'
import { indexedInBatches, indexMessages } from './index-messages.ts'
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

const selectMisplaced = (db: Database, batches: readonly ProjectionBatch[]) =>
  db.query(misplacedStatement, [
    batches.map(({ tenant }) => tenant),
    batches.map(({ placementEpoch }) => placementEpoch),
  ])

const misplacedStatement = `
SELECT g.tenant_id FROM unnest($1::text[], $2::bigint[]) AS g(tenant_id, placement_epoch)
WHERE NOT EXISTS (
  SELECT 1 FROM placements p WHERE p.tenant_id = g.tenant_id AND p.epoch = g.placement_epoch AND p.state = 'active')`

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
  const indexed = indexedInBatches(batches)
  const { results: answers, position } = await writeWithPosition(db, shard, () => {
    const statements = [setTenants(db, tenants)]
    if (rebuilds)
      statements.push(
        selectMisplaced(db, batches),
        lockArchive(db, tenants),
        removeRanges(db, batches),
        removeProperties(db, batches),
      )
    statements.push(insertMessages(db, batches))
    if (indexed.length > 0) statements.push(indexMessages(db, indexed))
    if (batches.some(({ facts: properties }) => properties !== undefined))
      statements.push(upsertConversations(db, batches), upsertMembers(db, batches))
    if (scrubs) statements.push(lockArchive(db, tenants), restoreArchived(db, batches), scrubMessages(db, batches))
    // Each statement checks the epoch for itself. One that is in force at the first and at the last was so at all of them.
    if (statements.length > 2) statements.push(selectMisplaced(db, batches))
    return statements
  })
  const checks = answers.length > 2 ? [answers[1], answers.at(-1)] : [answers[1]]
  const stale = new Set(checks.flatMap((check) => misplaced.parse(check).map(({ tenant_id }) => tenant_id)))
  const places = scrubs ? scrubbedPlaces.parse(answers.at(-2)) : []
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
