import { count, fields, items, text } from './parse.ts'

/** One member of a conversation: `read` is the highest seq they have seen, `joined` the last one before they came. */
export interface Member {
  readonly user: string
  readonly role: string
  readonly read: number
  readonly joined: number
}

/** Who belongs to a conversation, who is looking at it now, and who is typing. Plain data, changed by copy. */
export interface People {
  readonly members: ReadonlyMap<string, Member>
  /** Connections that listen now, and whose they are. */
  readonly here: ReadonlyMap<string, string>
  /** Whether the server has said who is here: only then is every other member away. */
  readonly hereKnown: boolean
  /** Who types, and until when that is believed. */
  readonly typing: ReadonlyMap<string, number>
}

/** How long "is typing" is believed without being repeated: it is repeated every 3 seconds. */
export const typingLastsMs = 5000

/** Nobody known yet. */
export const nobody: People = { members: new Map(), here: new Map(), hereKnown: false, typing: new Map() }

/** Reads members as the server lists them: with role and cursor, or by name alone. */
export const readMembers = (given: unknown): readonly Member[] =>
  items(given).map((one) => {
    const member = typeof one === 'string' ? { user: one } : fields(one)
    return {
      user: text(member['user']),
      role: text(member['role'], 'member'),
      read: count(member['read']),
      joined: count(member['joined']),
    }
  })

/** The members are these. */
export const withMembers = (people: People, members: readonly Member[]): People => ({
  ...people,
  members: new Map(members.map((member) => [member.user, member])),
})

/** Somebody became a member; who is one already stays as they are. */
export const joined = (people: People, user: string, read: number): People =>
  people.members.has(user)
    ? people
    : { ...people, members: new Map(people.members).set(user, { user, role: 'member', read, joined: read }) }

/** A member holds another role. */
export function promoted(people: People, user: string, role: string): People {
  const member = people.members.get(user)
  return member === undefined ? people : { ...people, members: new Map(people.members).set(user, { ...member, role }) }
}

/** Somebody is no member any more. */
export const left = (people: People, user: string): People => ({ ...people, members: without(people.members, user) })

/** Somebody has read up to `seq`; a cursor never moves back. */
export function readUpTo(people: People, user: string, seq: number): People {
  const member = people.members.get(user)
  if (member === undefined || member.read >= seq) return people
  return { ...people, members: new Map(people.members).set(user, { ...member, read: seq }) }
}

/** Exactly these connections are here. */
export const withHere = (people: People, here: ReadonlyMap<string, string>): People => ({
  ...people,
  here,
  hereKnown: true,
})

/** The server has not said, or says no longer, who is here. */
export const hereUnknown = (people: People): People => ({ ...people, here: new Map(), hereKnown: false })

/** A user came, with her first connection. */
export const came = (people: People, client: string, user: string): People => ({
  ...people,
  here: new Map(people.here).set(client, user),
})

/** A user went, with her last connection; she is not typing either. */
export const went = (people: People, user: string): People =>
  hushed({ ...people, here: new Map([...people.here].filter(([, other]) => other !== user)) }, user)

/** Somebody types at `now`. */
export const typed = (people: People, user: string, now: number): People => ({
  ...people,
  typing: new Map(people.typing).set(user, now + typingLastsMs),
})

/** Somebody has said what they were typing. */
export const hushed = (people: People, user: string): People =>
  people.typing.has(user) ? { ...people, typing: without(people.typing, user) } : people

/** Forgets typing that has not been repeated; the same object when there is none. */
export function settled(people: People, now: number): People {
  const typing = new Map([...people.typing].filter(([, until]) => until > now))
  return typing.size === people.typing.size ? people : { ...people, typing }
}

function without<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): ReadonlyMap<Key, Value> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
