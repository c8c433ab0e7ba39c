import { replayEntry } from '../../src/conversations/replay-entry.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { sizes } from '../../src/protocol/limits.ts'
import type { ImportBatch, ImportedBatch } from '../contracts.ts'
import type { ConversationStore } from './conversation-store.ts'

/**
 * Puts lines of an export into a conversation, in their order and with their times and authors. What is there already is counted as
 * repeated, so that a batch may be sent again. The first line that does not fit ends the batch: what came before it stays.
 */
export function importBatch(store: ConversationStore, { properties, members, entries }: ImportBatch): ImportedBatch {
  const { conversation, log } = store
  const counts = { imported: 0, repeated: 0 }
  const count = (isNew: boolean) => void (isNew ? counts.imported++ : counts.repeated++)
  const refused = (refusal: Refusal): ImportedBatch => ({ ...counts, refusal })
  if (conversation === undefined || conversation.deletedAt !== undefined)
    return refused(refuse('notFound', 'conversation: its own line has to come first'))
  const before = log.top()
  if (properties !== undefined) {
    const { type, ...others } = properties
    if (type !== conversation.type)
      return refused(refuse('conflict', `properties.type: here it is a ${conversation.type}`))
    const { createdAt, createdBy, name } = conversation
    const isSame = createdAt === others.createdAt && createdBy === others.createdBy && name === others.name
    // One that has entries keeps its properties: it was imported earlier, or is in use.
    if (!isSame && before === 0) store.write({ ...conversation, ...others, version: conversation.version + 1 })
    count(!isSame && before === 0)
  }
  const newcomers = members.filter(({ user }) => store.members.get(user) === undefined)
  if (store.members.count() + newcomers.length > sizes.members)
    return refused(refuse('limitExceeded', `a conversation has at most ${sizes.members} members`))
  for (const member of members) {
    const isNew = store.members.get(member.user) === undefined
    if (isNew) store.members.put(member)
    count(isNew)
  }
  const written = store.conversation ?? conversation
  if (newcomers.length > 0) store.write({ ...written, version: written.version + 1 })

  const { amendments, members: known, messages, activity } = store
  const state = { log, amendments, members: known, messages, readStates: activity }
  let refusal: Refusal | undefined
  for (const entry of entries) {
    const row = { ...entry, client: '' }
    const put = replayEntry(state, row, (seq) => log.rows('seq = ? LIMIT 1', seq)[0])
    if (typeof put === 'object') {
      refusal = put
      break
    }
    count(put)
    if (put) activity.note(row.seq, row.user, row.data)
  }
  if (log.top() > before) {
    store.publisher.skip(before, log.top())
    store.summary.reread()
  }
  return refusal === undefined ? counts : refused(refusal)
}
