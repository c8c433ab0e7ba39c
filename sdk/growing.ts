import { count, fields, items, text, type Fields } from './parse.ts'
import type { Placed, Timeline } from './timeline.ts'

/** A message whose text grows: a streaming message that has not ended. */
export interface GrowingMessage {
  readonly user: string
  readonly clientId: string
  readonly at: number
  readonly text: string
}

/** Messages that grow, by author and clientId, in the order in which they became known. */
export type Growing = ReadonlyMap<string, GrowingMessage>

/** Entries at the end of the log in which the end of a message is looked for whose events are late. */
const lookedAt = 50

const keyOf = (user: string, clientId: string): string => `${user} ${clientId}`

/**
 * An event came. Text that is there already changes nothing; other text replaces what is there from its offset. Returns undefined when
 * text before it is missing.
 */
export function grown(growing: Growing, timeline: Timeline, event: Fields): Growing | undefined {
  const [user, clientId] = [text(event['user']), text(event['clientId'])]
  const key = keyOf(user, clientId)
  if (event['ended'] === true) return without(growing, key)
  const known = growing.get(key)
  const offset = count(event['offset'])
  const part = text(event['text'])
  if (known === undefined && hasEnded(timeline, user, clientId)) return growing
  if (offset > (known?.text.length ?? 0)) return undefined
  if (known?.text.startsWith(part, offset) === true) return growing
  const at = known?.at ?? count(event['at'])
  return new Map(growing).set(key, { user, clientId, at, text: (known?.text ?? '').slice(0, offset) + part })
}

/** The server lists all that grow, with their whole texts. */
export function listed(timeline: Timeline, answer: unknown): Growing {
  const all = items(fields(answer)['streaming']).map((one) => {
    const given = fields(one)
    const [user, clientId] = [text(given['user']), text(given['clientId'])]
    return { user, clientId, at: count(given['at']), text: text(given['text']) }
  })
  const open = all.filter(({ user, clientId }) => !hasEnded(timeline, user, clientId))
  return new Map(open.map((one) => [keyOf(one.user, one.clientId), one]))
}

/** Entries arrived: a message that is in the log grows no more. */
export function withoutArrived(growing: Growing, arrivals: readonly Placed[]): Growing {
  if (growing.size === 0) return growing
  return arrivals.reduce(
    (left, { entry }) => (entry.type === 'message' ? without(left, keyOf(entry.user, entry.clientId)) : left),
    growing,
  )
}

function without(growing: Growing, key: string): Growing {
  if (!growing.has(key)) return growing
  const rest = new Map(growing)
  rest.delete(key)
  return rest
}

/** Events may arrive after the message that they belong to. */
const hasEnded = ({ placed }: Timeline, user: string, clientId: string): boolean =>
  placed
    .slice(-lookedAt)
    .some(({ entry }) => entry.type === 'message' && entry.user === user && entry.clientId === clientId)
