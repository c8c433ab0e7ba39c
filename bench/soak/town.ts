import { z } from 'zod'
import { inGroups } from '../load/conversation.ts'
import type { Chance } from './chance.ts'
import { newConversation, type Conversation } from './conversation.ts'
import { Person, type World } from './person.ts'

const created = z.object({ id: z.string(), epoch: z.string() })

/** Conversations that never go quiet, and how many of all people are in each. */
const conversations = { count: 4, share: 0.15 }
const topics = 10
/** What topics keep is less than some miss: both ways of coming back to one are gone. */
const namespace = {
  historySize: 50,
  historyTtlSeconds: 300,
  presence: true,
  joinLeave: true,
  allow: { subscribe: 'users', publish: 'users', presence: 'subscribers' },
}
const smallest = 2
const largest = 8

/**
 * The users and their conversations. The number of users and of conversations in use is fixed from the beginning, or
 * the system would grow for a good reason; one conversation at a time is replaced by a new one.
 */
export class Town {
  readonly people: readonly Person[]
  readonly #byName: ReadonlyMap<string, Person>
  readonly #world: World
  readonly #chance: Chance
  conversations: readonly Conversation[] = []

  constructor(world: World, chance: Chance, size: number) {
    this.#world = world
    this.#chance = chance
    this.people = Array.from({ length: size }, (_, n) => new Person(`soak-${n}`, `soak:${n % topics}`, world))
    this.#byName = new Map(this.people.map((person) => [person.name, person]))
  }

  /** Makes as many small conversations as there are people, and the conversations. */
  async settle(): Promise<void> {
    await this.#world.api.call('PUT', '/v1/namespaces/soak', z.object({}), namespace)
    const all = Array.from({ length: conversations.count + this.people.length }, (_, n) => n < conversations.count)
    const made: Conversation[] = []
    await inGroups(all, 10, async (isLarge) => {
      const conversation = await this.#make(isLarge, 0)
      if (conversation !== undefined) made.push(conversation)
    })
    this.conversations = made
  }

  membersOf({ members }: Conversation): Person[] {
    return members.map((name) => this.#byName.get(name)).filter((person) => person !== undefined)
  }

  /** Makes a new conversation in place of the one that is quiet the longest and of which no message is missing. */
  async renew(now: number, awakeUntil: number): Promise<void> {
    const old = this.conversations.filter((each) => this.#isOver(each)).toSorted((a, b) => a.changesAt - b.changesAt)[0]
    const made = await this.#make(false, awakeUntil)
    if (made !== undefined) {
      for (const member of this.membersOf(made)) if (member.isHere) member.listen(made)
      this.conversations = [...this.conversations.filter((each) => each !== old), made]
    }
    if (made === undefined || old === undefined) return
    for (const member of this.membersOf(old)) member.forget(old)
    old.changesAt = now
    this.#world.figures.count('conversations replaced')
  }

  async #make(isLarge: boolean, changesAt: number): Promise<Conversation | undefined> {
    const size = isLarge
      ? Math.ceil(this.people.length * conversations.share)
      : smallest + this.#chance.below(largest - smallest + 1)
    const members = this.#chance.someOf(this.people, size).map(({ name }) => name)
    const body = { type: 'group', name: isLarge ? 'conversation' : 'soak', members }
    const answer = await this.#world.api.call('POST', '/v1/conversations', created, body)
    if (answer === undefined) return undefined
    const conversation = newConversation(answer, { members, isLarge, changesAt })
    for (const member of this.membersOf(conversation)) member.belongsTo(conversation)
    return conversation
  }

  #isOver(conversation: Conversation): boolean {
    const nobodyListens = this.membersOf(conversation).every((member) => member.positionIn(conversation) === undefined)
    return !conversation.isLarge && !conversation.isAwake && nobodyListens && conversation.deliveries.isSettled
  }
}
