import { count, fields, items, text } from './parse.ts'

/** One member of a conversation: `read` is the highest seq they have seen, `joined` the last one before they came. */
export interface Member {
  readonly user: string
  readonly role: string
  readonly read: number
  readonly joined: number
}

/** The members of a conversation, the users who look at it now, and the ones who type. Plain data, changed by copy. */
export interface People {
  readonly members: ReadonlyMap<string, Member>
  /** Connections that listen now, and whose they are. */
  readonly here: ReadonlyMap<string, string>
  /** Whether the server has said who is here: only then is every other member away. */
  readonly hereKnown: boolean
  /** The users who type, and until when that is shown. */
  readonly typing: ReadonlyMap<string, number>
}

/** How long "is typing" is believed without being repeated: it is repeated every 3 seconds. */
export const typingLastsMs = 5000

/** Nothing is known yet. */
export const noPeople: People = { members: new Map(), here: new Map(), hereKnown: false, typing: new Map() }

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

/** A user became a member; an existing member stays as is. */
export const joined = (people: People, user: string, read: number): People =>
  people.members.has(user)
    ? people
    : { ...people, members: new Map(people.members).set(user, { user, role: 'member', read, joined: read }) }

/** A member holds another role. */
export function promoted(people: People, user: string, role: string): People {
  const member = people.members.get(user)
  return member === undefined ? people : { ...people, members: new Map(people.members).set(user, { ...member, role }) }
}

/** A user is no longer a member. */
export const left = (people: People, user: string): People => ({ ...people, members: without(people.members, user) })

/** A member has read up to `seq`; a cursor never moves back. */
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

/** The server has not reported presence, or does so no longer. */
export const hereUnknown = (people: People): People => ({ ...people, here: new Map(), hereKnown: false })

/** A user came, with the first connection. */
export const came = (people: People, client: string, user: string): People => ({
  ...people,
  here: new Map(people.here).set(client, user),
})

/** A user left, with the last connection, and does not type either. */
export const went = (people: People, user: string): People =>
  hushed({ ...people, here: new Map([...people.here].filter(([, other]) => other !== user)) }, user)

/** A user types at `now`. */
export const typed = (people: People, user: string, now: number): People => ({
  ...people,
  typing: new Map(people.typing).set(user, now + typingLastsMs),
})

/** A user has sent what they were typing. */
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
