import { encodeWith } from '../kernel/json.ts'

/** The version of each kind of lines of an export: raised when a field changes its meaning or goes. */
export const lineVersions = {
  /** A profile with its targets. */
  user: 1,
  preferences: 1,
  /** A topic of notifications that the user is subscribed to. */
  subscription: 1,
  /** A user that the user blocks. */
  block: 1,
  /** An item of a feed, with its marks. */
  'feed-item': 1,
  /** What was decided of one notification for one user, and its deliveries. */
  notice: 1,
  conversation: 1,
  member: 1,
  /** An entry of the log of a conversation: a message, an edit, a deletion, a change of members. */
  entry: 1,
  /** A message of another user that mentions the user. */
  mention: 1,
  'scheduled-message': 1,
  /** What the tenant used on one day. */
  usage: 1,
  /** The end of a page: the export goes on at `next`. */
  page: 1,
  /** The end of the export. */
  end: 1,
} as const
export type LineType = keyof typeof lineVersions

/** A line of an export, without its line end; `texts` are fields whose values are JSON text already. */
export const exportLine = (
  type: LineType,
  fields: object,
  texts: Readonly<Record<string, string | undefined>> = {},
): string => encodeWith({ type, version: lineVersions[type], ...fields }, texts)

/** An entry of a log, whose text stays as it is stored. */
export const entryLine = (conversation: string, { seq, at, user, clientId, data }: ExportedEntry): string =>
  exportLine('entry', { conversation, seq, at, user, clientId }, { entry: data })

export interface ExportedEntry {
  readonly seq: number
  readonly at: number
  /** "" of the tenant's own server. */
  readonly user: string
  readonly clientId: string | null
  readonly data: string
}
