import { inJson } from '../../src/events/erased-user.ts'
import type { ExportedEntries, ExportQuery } from '../contracts.ts'
import type { ConversationStore } from './conversation-store.ts'

/** Entries that one call looks at, those that it returns, and the characters after which it ends. */
const seqsPerCall = 5000
const maxChars = 400_000

/**
 * What a conversation holds of an export: its properties, the membership of the user where one is named, and entries after `after`.
 * Entries below the floor are in Postgres: of them it only says which are deleted.
 */
export function exportedEntries(
  store: ConversationStore,
  { user, after, limit }: ExportQuery,
): ExportedEntries | undefined {
  const { conversation, log, members, amendments } = store
  if (conversation === undefined) return undefined
  const { id, type, name, createdBy, createdAt, deletedAt } = conversation
  const [floor, top] = [log.floor(), log.top()]
  const head = {
    conversation: {
      id,
      type,
      name,
      createdBy,
      createdAt,
      // Its id follows from them.
      ...(type === 'direct' ? { members: members.some(2).map(({ user: each }) => each) } : {}),
      ...(deletedAt === undefined ? {} : { deletedAt }),
    },
    member: user === null ? null : (members.get(user) ?? null),
    floor,
    top,
  }
  if (after + 1 < floor) {
    const upTo = Math.min(floor - 1, after + coldSeqs)
    const deleted = amendments.between(after + 1, upTo).flatMap(({ ref, text }) => (text === null ? [ref] : []))
    return { ...head, rows: [], deleted, reached: after, upTo }
  }
  const upTo = Math.min(after + seqsPerCall, top)
  const held = 'seq > ? AND seq <= ? AND data IS NOT NULL'
  const found =
    user === null
      ? log.rows(`${held} ORDER BY seq LIMIT ?`, after, upTo, limit)
      : log.rows(
          `${held} AND (user = ? OR instr(data, ?) > 0) ORDER BY seq LIMIT ?`,
          after,
          upTo,
          user,
          inJson(user),
          limit,
        )
  let chars = 0
  const rows = found
    .filter((row, place) => (chars += row.data.length) <= maxChars || place === 0)
    .map(({ seq, at, user: author, clientId, data }) => ({ seq, at, user: author, clientId, data }))
  const isWhole = rows.length === found.length && found.length < limit
  return { ...head, rows, deleted: [], reached: isWhole ? upTo : (rows.at(-1)?.seq ?? upTo), upTo }
}

/** Entries in Postgres that one statement looks at. */
const coldSeqs = 20_000
