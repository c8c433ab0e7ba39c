/** How much there is to read. */
export interface Shape {
  readonly people: number
  /** Of each conversation; at most `people`, and a divisor of it. */
  readonly members: number
  readonly conversations: number
  readonly messages: number
  readonly longConversations: number
  readonly longMessages: number
  /** Small conversations that one pair of people has beside all others: their lists are as long as that. */
  readonly listed?: number
}

/** A conversation as it is to be written: one member says everything, the others have read up to somewhere. */
export interface Conversation {
  readonly name: string
  readonly members: readonly string[]
  readonly author: string
  readonly messages: number
  readonly isLong: boolean
  /** Whether it is one of the pair that has very many. */
  readonly isListed?: true
}

/** All conversations of a shape: the same ones each time, so that a reader knows what must be there. */
export function conversationsOf({
  conversations,
  messages,
  longConversations,
  longMessages,
  listed = 0,
  ...population
}: Shape): Conversation[] {
  const [author, reader] = ['pair-author', 'pair-reader']
  const ofPair = Array.from({ length: listed }, (_, n) => ({
    name: `conversation of the pair ${n}`,
    members: [author, reader],
    author,
    messages: 5,
    isLong: false,
    isListed: true as const,
  }))
  const others = Array.from({ length: conversations + longConversations }, (_, n) => {
    const isLong = n < longConversations
    const members = membersOf(n, population)
    const writer = members[n % members.length] ?? ''
    return { name: `conversation ${n}`, members, author: writer, isLong, messages: isLong ? longMessages : messages }
  })
  return [...others, ...ofPair]
}

/** Spread evenly, so that the lists of two users differ by one at most. */
function membersOf(conversation: number, { people, members }: Pick<Shape, 'people' | 'members'>): string[] {
  const step = people / members
  return Array.from({ length: members }, (_, place) => personNamed((conversation + place * step) % people)).toSorted()
}

const personNamed = (n: number) => `person-${String(n).padStart(3, '0')}`

/** What is said at a place: about as long as what people say. */
export const textAt = (conversation: Pick<Conversation, 'name'>, seq: number): string =>
  `${conversation.name}, ${seq}: ${filler}`
const filler = 'shall we meet at the usual place around eight, or is nine better for you?'

/** How far a member has read: the author to the end, each other member three messages less than the one before. */
export function readBy({ members, author, messages }: Conversation, user: string): number {
  const behind = (members.indexOf(user) - members.indexOf(author) + members.length) % members.length
  return Math.max(0, messages - 3 * behind)
}

/** A conversation that was written: what only the writing could tell is its id, and each message's time and clientId. */
export interface WrittenConversation extends Conversation {
  readonly id: string
  /** By seq, from 1 on, without a gap. */
  readonly log: readonly WrittenMessage[]
}

/** `at` in milliseconds since the epoch. */
export interface WrittenMessage {
  readonly seq: number
  readonly at: number
  readonly clientId: string
}

/** A person's conversations, the one with the newest message first. */
export const listOf = (conversations: readonly WrittenConversation[], user: string): WrittenConversation[] =>
  conversations
    .filter(({ members }) => members.includes(user))
    .toSorted((a, b) => newest(b) - newest(a) || (a.id < b.id ? 1 : -1))

export const newest = ({ log }: WrittenConversation): number => log.at(-1)?.at ?? 0
