import type { ProjectedRow } from '../events/projection.ts'

/** An entry, and the epoch of its log. */
export type CheckedEntry = ProjectedRow & { readonly epoch: string }

/** Entries of one month (UTC, `2026-11`): how many, and a checksum that does not depend on their order. */
export interface MonthChecksum {
  readonly month: string
  readonly entries: number
  readonly checksum: string
}

/** A member as Postgres has it. */
interface CheckedMember {
  readonly user: string
  readonly role: string
  readonly joinedAt: number
}

/** Properties of a conversation as Postgres has them. */
export interface CheckedProperties {
  readonly type: string
  readonly name: string
  readonly epoch: string
  readonly createdBy: string
  readonly createdAt: number
  readonly deletedAt: number | null
  readonly version: number
  /** JSON text; null where there is nothing beside the columns. */
  readonly properties?: string | null
}

/** What Postgres must have of one conversation. */
export interface ConversationChecksums {
  readonly epoch: string
  /** The entries that the log holds and Postgres was given, both included; `last` is before `first` where there are none. */
  readonly first: number
  readonly last: number
  readonly months: readonly MonthChecksum[]
  /** Of its properties and members; absent while Postgres was not given the newest ones. */
  readonly properties?: string
  /** How many entries came before `first`: their texts are in Postgres only. */
  readonly old: number
  /** Whether what Postgres has is being replaced: it is compared afterwards. */
  readonly isRebuilding: boolean
}

/**
 * Checksums of entries by month, as `adapters/neon/checksums.ts` makes them in Postgres: the first 64 bits of a SHA-256 of each
 * entry, combined by exclusive or.
 */
export class LogChecksum {
  readonly #months = new Map<string, { readonly entries: number; readonly hash: bigint }>()

  /** Adds further entries; each may be added once. */
  async add(entries: readonly CheckedEntry[]): Promise<void> {
    const hashes = await Promise.all(entries.map((entry) => hash64(textOf(entry))))
    for (const [index, { at }] of entries.entries()) {
      const known = this.#months.get(monthOf(at)) ?? { entries: 0, hash: 0n }
      this.#months.set(monthOf(at), { entries: known.entries + 1, hash: known.hash ^ (hashes[index] ?? 0n) })
    }
  }

  /** In the order of months. */
  get months(): MonthChecksum[] {
    return [...this.#months]
      .map(([month, { entries, hash }]) => ({ month, entries, checksum: hash.toString() }))
      .toSorted((a, b) => (a.month < b.month ? -1 : 1))
  }
}

/** One checksum of a conversation's properties and members. */
export async function propertiesChecksum(
  { type, name, epoch, createdBy, createdAt, deletedAt, version, properties }: CheckedProperties,
  members: readonly CheckedMember[],
): Promise<string> {
  const own = [
    type,
    name,
    epoch,
    createdBy,
    createdAt,
    deletedAt ?? '',
    version,
    ...(properties === undefined || properties === null ? [] : [properties]),
  ].join('\n')
  const texts = members.map(({ user, role, joinedAt }) => [user, role, joinedAt].join('\n'))
  const hashes = await Promise.all([own, ...texts].map(hash64))
  return hashes.reduce((all, hash) => all ^ hash, 0n).toString()
}

/** The text of a deleted message is not compared: the log and Postgres write down in their own ways that it is gone. */
const textOf = ({ epoch, seq, at, user, client, clientId, data }: CheckedEntry): string =>
  [epoch, seq, at, user, client, clientId === null ? '-' : `+${clientId}`, isTombstone(data) ? '' : data].join('\n')

/** Whether an entry is a deleted message, or an edit of one; see `events/tombstone.ts`. */
const isTombstone = (data: string): boolean => data.endsWith('"deleted":true}')

const monthOf = (at: number): string => new Date(at).toISOString().slice(0, 7)

const encoder = new TextEncoder()

async function hash64(text: string): Promise<bigint> {
  return new DataView(await crypto.subtle.digest('SHA-256', encoder.encode(text))).getBigInt64(0)
}
