import { count, fields, isFields, text, texts } from './parse.ts'

/** One conversation in the list. Unread counts come from the server; a client never computes them. */
export interface ListItem {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly last: number
  readonly read: number
  readonly unread: number
  /** Unread messages that mention the user. */
  readonly mentions: number
  readonly at: number
  readonly preview: { readonly user: string; readonly text: string } | null
  /** At most ten, to name it by. */
  readonly members: readonly string[]
}

/** What a user's own stream says. `lost`: it cannot say what was missed, so the list must be asked for again. */
export type InboxUpdate =
  | { readonly kind: 'changed'; readonly item: ListItem }
  | { readonly kind: 'removed'; readonly id: string }
  | { readonly kind: 'lost' }

/** Reads one line of the list. */
export const readListItem = (given: unknown): ListItem => {
  const item = fields(given)
  return { ...readItem(item), id: text(item['id']), type: text(item['type']) }
}

/** Reads one publication of the user's stream; undefined when it is about something else. */
export function readInboxUpdate(given: unknown): InboxUpdate | undefined {
  const update = fields(given)
  const id = text(update['conversation'])
  if (id === '') return undefined
  if (update['type'] === 'removed') return { kind: 'removed', id }
  if (update['type'] !== 'unread') return undefined
  return { kind: 'changed', item: { ...readItem(update), id, type: text(update['conversationType']) } }
}

function readItem(given: ReturnType<typeof fields>) {
  return {
    name: text(given['name']),
    last: count(given['last']),
    read: count(given['read']),
    unread: count(given['unread']),
    mentions: count(given['mentions']),
    at: count(given['at']),
    preview: readPreview(given['preview']),
    members: texts(given['members']),
  }
}

const readPreview = (given: unknown): ListItem['preview'] =>
  isFields(given) ? { user: text(given['user']), text: text(given['text']) } : null

/** The user's conversations by id. */
export type Inbox = ReadonlyMap<string, ListItem>

/** Brings the list up to date. Updates and pages may overtake one another: what knows of more wins. */
export function withItem(inbox: Inbox, item: ListItem): Inbox {
  const known = inbox.get(item.id)
  const older = known !== undefined && (item.last < known.last || (item.last === known.last && item.read < known.read))
  return older ? inbox : new Map(inbox).set(item.id, item)
}

/** Takes a conversation off the list. */
export function withoutItem(inbox: Inbox, id: string): Inbox {
  const rest = new Map(inbox)
  rest.delete(id)
  return rest
}

/** Newest activity first; the id settles a tie, so that the order never flickers. */
export const byActivity = (inbox: Inbox): readonly ListItem[] =>
  [...inbox.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
