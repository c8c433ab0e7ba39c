import type { ConversationChecksums, MonthChecksum } from './checksum.ts'

/** What Postgres has of a conversation. */
export interface StoredChecksums {
  readonly months: readonly MonthChecksum[]
  /** Undefined when it has no row of the conversation. */
  readonly properties: string | undefined
  /** Entries before those that are compared. */
  readonly old: number
}

/** How what Postgres has of a conversation differs from its log. */
export type Difference =
  | { readonly kind: 'equal' }
  /** There is no such conversation. */
  | { readonly kind: 'unknown' }
  /** Its rows are being made again. */
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'different'
      readonly months: readonly string[]
      readonly properties: boolean
      /** Entries whose texts neither has. */
      readonly lost: number
      /** Whether the log has what is wrong in Postgres. */
      readonly isRepairable: boolean
    }

/** Compares what a conversation says with what Postgres has. */
export function differenceOf(own: ConversationChecksums | undefined, stored: StoredChecksums | undefined): Difference {
  if (own === undefined) return { kind: 'unknown' }
  if (own.isRebuilding || stored === undefined) return { kind: 'pending' }
  const months = differentMonths(own.months, stored.months)
  const properties = own.properties !== undefined && own.properties !== stored.properties
  const lost = Math.max(0, own.old - stored.old)
  const isRepairable = months.length > 0 || properties
  return isRepairable || lost > 0 ? { kind: 'different', months, properties, lost, isRepairable } : { kind: 'equal' }
}

function differentMonths(own: readonly MonthChecksum[], stored: readonly MonthChecksum[]): string[] {
  const textOf = ({ entries, checksum }: MonthChecksum) => `${entries} ${checksum}`
  const [ours, theirs] = [own, stored].map((all) => new Map(all.map((each) => [each.month, textOf(each)])))
  const months = new Set([...own, ...stored].map(({ month }) => month))
  return [...months].filter((month) => ours?.get(month) !== theirs?.get(month)).toSorted()
}
