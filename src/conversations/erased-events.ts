import { z } from 'zod'
import type { ErasedUser } from '../events/erased-user.ts'
import type { LogEvent } from '../events/log-event.ts'
import { notificationChanges } from '../events/own-events.ts'
import { tombstone, tombstoneOfEdit } from '../events/tombstone.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import { entryWithout } from './erase-user.ts'
import { typeOfEntry } from './published-events.ts'

/** What becomes of Parley's own events in their topic when messages are deleted, or a user is erased. Offsets stay as they are. */

const fieldsOf = z.record(z.string(), z.unknown())
const users = z.array(z.string())

/** Types of entries in the log of a conversation, by those of their events. */
const entryTypes = new Map<string, string>(Object.entries(typeOfEntry).map(([entry, event]) => [event, entry]))

const read = ({ data }: Pick<LogEvent, 'data'>): Record<string, unknown> => fieldsOf.parse(JSON.parse(data ?? '{}'))

/** The event of a message or an edit without its content; every other event stays as it is. */
export function withoutContent(event: LogEvent): LogEvent {
  if (event.type === 'message.created') return withEntry(event, tombstone(entryIn(event)))
  if (event.type === 'message.updated') return { ...event, data: tombstoneOfEdit(event.data ?? '{}') }
  return event
}

/** The message that an edit by another user is of; undefined for every other event, which says itself whose it is. */
export function editedIn(
  event: LogEvent,
  { user }: ErasedUser,
): { readonly id: string; readonly ref: number } | undefined {
  if (event.type !== 'message.updated') return undefined
  const { user: editor, ref, epoch, deleted } = read(event)
  return editor === user || deleted === true || typeof ref !== 'number'
    ? undefined
    : { id: `${String(epoch)}.${ref}`, ref }
}

/** The user that wrote the message of an event of its creation. */
export const authorIn = (event: LogEvent): unknown => fieldsOf.parse(JSON.parse(entryIn(event)))['user']

/** The event without an erased user; the same where the user is not in it. `isTheirs` says of an edit that it is one of a message of the user. */
export function eventWithout(event: LogEvent, erased: ErasedUser, isTheirs = false): LogEvent {
  const changed = changedWithout(event, erased, isTheirs)
  return changed.data === event.data && changed.key === event.key ? event : changed
}

function changedWithout(event: LogEvent, erased: ErasedUser, isTheirs: boolean): LogEvent {
  const { type, key } = event
  const other = (name: unknown) => (name === erased.user ? erased.pseudonym : name)
  if (type === 'message.created') {
    const text = entryIn(event)
    const { user, clientId } = fieldsOf.parse(JSON.parse(text))
    const entry = {
      ...emptyEntry,
      seq: Number(read(event)['seq']),
      user: String(user),
      clientId: String(clientId),
      data: text,
    }
    return withEntry(event, entryWithout(entry, erased)?.data ?? text)
  }
  const entryType = entryTypes.get(type)
  if (entryType !== undefined) {
    const { conversation, epoch, seq, message, ...fields } = read(event)
    const data = JSON.stringify({ type: entryType, ...fields })
    const entry = { ...emptyEntry, seq: Number(seq), user: String(fields['user']), data }
    const without = entryWithout(entry, erased, isTheirs)?.data
    if (without === undefined || without === null || without === data) return event
    const { type: _, ...rest } = fieldsOf.parse(JSON.parse(without))
    return { ...event, data: JSON.stringify({ conversation, epoch, seq, message, ...rest }) }
  }
  if (type === 'conversation.created') {
    const { createdBy, members, ...rest } = read(event)
    if (createdBy !== erased.user && !users.catch([]).parse(members).includes(erased.user)) return event
    const named = { createdBy: other(createdBy), members: users.catch([]).parse(members).map(other) }
    return { ...event, data: JSON.stringify({ ...rest, ...named }) }
  }
  if (!type.startsWith('notification.')) return event
  const { changes } = notificationChanges.partial().parse(read(event))
  const kept = changes?.filter(({ user }) => user !== erased.user)
  if (changes !== undefined)
    return kept?.length === changes.length ? event : { ...event, data: JSON.stringify({ changes: kept }) }
  if (key !== erased.user) return event
  const { notification, step, at } = read(event)
  const { pseudonym } = erased
  const data = JSON.stringify({ notification, user: pseudonym, step, delivery: '', at })
  return { ...event, id: `${event.offset}/${pseudonym}`, key: pseudonym, data, attributes: {} }
}

const emptyEntry = { client: '', clientId: null } as const

/** The text of the message in an event of its creation. */
const entryIn = ({ data }: LogEvent): string => textAt(data ?? '{}', ['message']) ?? '{}'

function withEntry(event: LogEvent, entry: string): LogEvent {
  const { message: _, ...where } = read(event)
  return { ...event, data: `${JSON.stringify(where).slice(0, -1)},"message":${entry}}` }
}
