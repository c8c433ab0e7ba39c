import { inGroups } from '../load/conversation.ts'
import { pause } from '../processes.ts'
import type { Chance } from './chance.ts'
import type { Conversation } from './conversation.ts'
import { deeds, type Deed } from './deeds.ts'
import type { Person, World } from './person.ts'
import { Timetable } from './timetable.ts'
import type { Town } from './town.ts'

/** Milliseconds. Two thirds of the people are here at a time, and a conversation sleeps longer than it is awake. */
const times = {
  stay: 120_000,
  absence: 60_000,
  longestAbsence: 240_000,
  /** A network that goes and comes back. */
  hiccup: 2_000,
  awake: [60_000, 150_000],
  /** The runtime puts an actor away a minute or so after the last call. */
  asleep: [120_000, 300_000],
  arrivals: 30_000,
  renewal: 60_000,
  check: 15_000,
  answer: 30_000,
} as const
const abrupt = 0.4
const hiccups = 0.5

/** How many people there must be so that `connections` of them are here on average. */
export const peopleFor = (connections: number): number =>
  Math.ceil((connections * (times.stay + times.absence)) / times.stay)

/** The people of a town, going about their days. */
export class Population {
  readonly #town: Town
  readonly #world: World
  readonly #chance: Chance
  readonly #deeds: readonly { readonly deed: Deed; readonly timetable: Timetable }[]
  readonly #arrivals = new Set<Promise<void>>()
  #numbered = 0
  #renewsAt: number
  #checksAt: number

  constructor(town: Town, world: World, chance: Chance, perSecond: number) {
    const now = performance.now()
    this.#town = town
    this.#world = world
    this.#chance = chance
    this.#deeds = deeds.map((deed) => ({
      deed,
      timetable: new Timetable(chance, perSecond * deed.perMessage, now + times.arrivals),
    }))
    this.#renewsAt = now + times.renewal
    this.#checksAt = now + times.check
    for (const person of town.people) this.#arrange(person, now + chance.between(0, times.arrivals))
    for (const conversation of town.conversations) this.#wake(conversation, chance.happens(1 / 3), now)
  }

  /** How many connections are open. */
  get open(): number {
    return this.#town.people.filter(({ isHere }) => isHere).length
  }

  /** Lives until it is stopped. */
  async live(until: number, signal: AbortSignal): Promise<void> {
    while (performance.now() < until && !signal.aborted) {
      const now = performance.now()
      this.#move(now)
      this.#step(now)
      for (const { deed, timetable } of this.#deeds) for (const due of timetable.due(now)) this.#do(deed, due)
      if (now >= this.#checksAt) this.#check(now)
      await pause(10)
    }
    await Promise.all(this.#arrivals)
  }

  /** Connects and subscribes all users everywhere; returns those that still miss entries when the time is over. */
  async gather(timeoutMs: number): Promise<string[]> {
    for (const conversation of this.#town.conversations) conversation.isAwake = true
    await inGroups(this.#town.people, 10, async (person) => {
      for (let tries = 0; !person.isHere && tries < 10; tries++) {
        await this.#arrive(person, performance.now())
        if (!person.isHere) await pause(times.hiccup)
      }
    })
    for (const conversation of this.#town.conversations)
      for (const member of this.#town.membersOf(conversation))
        if (member.isHere && member.positionIn(conversation) === undefined) member.listen(conversation)
    const deadline = performance.now() + timeoutMs
    while (this.#pending().length > 0 && performance.now() < deadline) await pause(200)
    return this.#pending()
  }

  disperse(): void {
    for (const person of this.#town.people) if (person.isHere) person.leave('clean')
  }

  #arrange(person: Person, movesAt: number): void {
    person.movesAt = movesAt
    person.onLost = () => void (person.movesAt = performance.now() + times.hiccup)
  }

  #wake(conversation: Conversation, isAwake: boolean, now: number): void {
    const [least, most] = times[isAwake ? 'awake' : 'asleep']
    conversation.isAwake = isAwake || conversation.isLarge
    conversation.changesAt = conversation.isLarge ? Infinity : now + this.#chance.between(least, most)
  }

  /** People come and go. */
  #move(now: number): void {
    for (const person of this.#town.people) {
      if (person.movesAt > now || person.isOnHerWay) continue
      if (person.isHere) this.#leave(person, now)
      else this.#come(person, now)
    }
  }

  #leave(person: Person, now: number): void {
    const isAbrupt = this.#chance.happens(abrupt)
    person.leave(isAbrupt ? 'abrupt' : 'clean')
    const absence = Math.min(this.#chance.waiting(times.absence), times.longestAbsence)
    person.movesAt = now + (isAbrupt && this.#chance.happens(hiccups) ? this.#chance.waiting(times.hiccup) : absence)
  }

  #come(person: Person, now: number): void {
    const arrival = this.#arrive(person, now).finally(() => this.#arrivals.delete(arrival))
    this.#arrivals.add(arrival)
  }

  async #arrive(person: Person, now: number): Promise<void> {
    person.isOnHerWay = true
    person.movesAt = now + this.#chance.waiting(times.stay)
    try {
      const outcome = await person.arrive()
      if (outcome === 'busy') person.movesAt = performance.now() + times.hiccup
    } catch (thrown) {
      this.#world.findings.note(
        'connect',
        `${person.name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      )
      person.movesAt = performance.now() + times.hiccup
    } finally {
      person.isOnHerWay = false
    }
  }

  /** Conversations fall asleep and wake, and now and then there is a new one. */
  #step(now: number): void {
    for (const conversation of this.#town.conversations) {
      if (conversation.changesAt > now) continue
      this.#wake(conversation, !conversation.isAwake, now)
      for (const member of this.#town.membersOf(conversation)) {
        if (!member.isHere) continue
        if (!conversation.isAwake) member.unlisten(conversation)
        else if (member.positionIn(conversation) === undefined) member.listen(conversation)
      }
    }
    if (now < this.#renewsAt) return
    this.#renewsAt = now + times.renewal
    const renewal = this.#town
      .renew(now, now + this.#chance.between(...times.awake))
      .finally(() => this.#arrivals.delete(renewal))
    this.#arrivals.add(renewal)
  }

  #do(deed: Deed, due: number): void {
    const someone = this.#someone()
    if (someone === undefined) return this.#world.figures.count('deeds that no user could do')
    const { person, conversation } = someone
    const { api } = this.#world
    deed.act({ person, conversation, chance: this.#chance, api, number: () => ++this.#numbered, due })
  }

  /** A user that is connected and subscribed where messages are sent. */
  #someone(): { readonly person: Person; readonly conversation: Conversation } | undefined {
    const here = this.#town.people.filter(({ isHere }) => isHere)
    for (let tries = 0; tries < 5; tries++) {
      const person = this.#chance.oneOf(here)
      const conversation = this.#chance.oneOf(person?.listeningTo.filter(({ isAwake }) => isAwake) ?? [])
      if (person !== undefined && conversation !== undefined) return { person, conversation }
    }
    return undefined
  }

  /**
   * A user that was subscribed all the time has received what was acknowledged a while ago, and no command waits long
   * for its answer.
   */
  #check(now: number): void {
    this.#checksAt = now + times.check
    const { findings } = this.#world
    for (const person of this.#town.people)
      if (person.longestWait > times.answer) findings.note('late', `${person.name} waits for an answer`)
    for (const conversation of this.#town.conversations) {
      for (const what of this.#behind(conversation)) findings.note('missed', what)
      conversation.deliveries.advance()
    }
  }

  /** A user that just came back is sent what it missed together with the answer, so it need not be excluded. */
  #behind(conversation: Conversation): string[] {
    const { channel, deliveries } = conversation
    return this.#town.membersOf(conversation).flatMap((member) => {
      const received = member.positionIn(conversation)
      if (received === undefined || received >= deliveries.due) return []
      return [`${member.name} is at ${received} of ${channel}, where ${deliveries.due} was acknowledged a while ago`]
    })
  }

  #pending(): string[] {
    const { people, conversations } = this.#town
    const waiting = people.filter(({ isAnswered }) => !isAnswered).map(({ name }) => `${name} was not answered`)
    const unsettled = conversations
      .filter(({ deliveries }) => !deliveries.isSettled)
      .map(({ channel, deliveries }) => `${channel}: ${deliveries.describe()}`)
    const behind = conversations.flatMap((conversation) =>
      this.#town
        .membersOf(conversation)
        .filter((member) => member.positionIn(conversation) !== conversation.deliveries.top)
        .map(({ name }) => `${name} did not receive all of ${conversation.channel}`),
    )
    return [...waiting, ...unsettled, ...behind]
  }
}
