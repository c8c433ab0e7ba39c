import { SubscriptionState, type PublicationContext, type SubscribedContext, type Subscription } from 'centrifuge'
import { conversationIn } from '../src/protocol/channels.ts'
import { unsubscribes } from '../src/protocol/close-codes.ts'
import type { Connection } from './connection.ts'
import { readEntry } from './entries.ts'
import { ParleyError, wireFailure } from './failure.ts'
import { History } from './history.ts'
import { pause } from './pause.ts'
import * as people from './people.ts'
import { StreamingFeed } from './streaming-feed.ts'
import * as log from './timeline.ts'
import { withEntries, withSignal, withState, type Known, type ConversationStatus } from './view.ts'

/** Whose knowledge the feed brings up to date. */
export interface FeedPort {
  known(): Known
  change(how: (known: Known) => Known): void
}

/** One conversation's stream: turns what the subscription and history say into changes of what is known. */
export class Feed {
  readonly #connection: Connection
  readonly #channel: string
  readonly #subscription: Subscription
  readonly #history: History
  readonly #port: FeedPort
  readonly #streaming: StreamingFeed
  /** False until the newest page of this incarnation is held. */
  #begun = false
  #older: Promise<void> | undefined
  #filling = false
  /** How often it was asked who is here, and who came and went while the answer is on its way. */
  #looks = 0
  #meanwhile: ((now: people.People) => people.People)[] | undefined
  #settling: ReturnType<typeof setTimeout> | undefined

  constructor(connection: Connection, channel: string, port: FeedPort) {
    this.#connection = connection
    this.#channel = channel
    this.#port = port
    this.#history = new History(connection, channel)
    this.#streaming = new StreamingFeed(port, {
      list: () => connection.rpc('message.streaming', { conversation: conversationIn(channel) ?? '' }),
      isSubscribed: () => this.#subscribed(),
    })
    this.#subscription = connection.client.newSubscription(channel, { recoverable: true, joinLeave: true })
    this.#follow()
  }

  /** Listens, from where it left off. */
  open(): void {
    const { status } = this.#port.known()
    if (status !== 'closed' && status !== 'ended') return
    this.#stand(this.#begun ? 'catchingUp' : 'opening')
    this.#subscription.subscribe()
  }

  /** Stops listening and keeps the place. */
  close(): void {
    this.#subscription.unsubscribe()
  }

  /** True when there is more before what is held. */
  hasOlder(): boolean {
    return this.#history.hasOlder(log.oldest(this.#port.known().timeline))
  }

  /** Fetches the page before what is held; asked twice at once, it is fetched once. */
  loadOlder(): Promise<void> {
    this.#older ??= this.#fetchOlder().finally(() => (this.#older = undefined))
    return this.#older
  }

  async #fetchOlder(): Promise<void> {
    const { timeline } = this.#port.known()
    const page = await this.#history.before(log.oldest(timeline), timeline.epoch)
    if (timeline.epoch === this.#port.known().timeline.epoch) this.#add(page)
  }

  #follow(): void {
    const subscription = this.#subscription
    subscription.on('subscribing', () => this.#stand(this.#begun ? 'catchingUp' : 'opening'))
    subscription.on('subscribed', (context) => void this.#welcome(context))
    subscription.on('unsubscribed', ({ code, reason }) => this.#end(code, reason))
    subscription.on('publication', (publication) => this.#hear(publication))
    subscription.on('join', ({ info }) => this.#moved((now) => people.came(now, info.client, info.user)))
    subscription.on('leave', ({ info }) => this.#moved((now) => people.went(now, info.user)))
  }

  /** The server took us in: what was missed follows by itself when it could be recovered, else we start over. */
  async #welcome({ data, streamPosition, wasRecovering, recovered }: SubscribedContext): Promise<void> {
    const epoch = streamPosition?.epoch ?? ''
    const state: unknown = data
    const continues = wasRecovering && recovered && epoch === this.#port.known().timeline.epoch
    this.#port.change((known) =>
      withState(continues ? known : { ...known, timeline: log.restart(known.timeline, epoch) }, state),
    )
    this.#begun &&= continues
    this.#streaming.subscribed(state)
    void this.#lookAround()
    if (!this.#begun) await this.#begin()
    // Recovered publications come right after this event; only then is it live, if it has not been left meanwhile.
    await Promise.resolve()
    if (this.#begun && this.#subscribed()) this.#stand('live')
  }

  /** Fetches the newest page; tried again as long as we are subscribed, since without it there is nothing to show. */
  async #begin(): Promise<void> {
    while (!this.#begun && this.#subscribed()) {
      try {
        if (this.#port.known().asOf > 0) this.#add(await this.#history.newest())
        this.#begun = true
      } catch {
        await pause(1000)
      }
    }
  }

  #subscribed(): boolean {
    return this.#subscription.state === SubscriptionState.Subscribed
  }

  /** Asks who is here, again while that fails for now. What comes meanwhile may be newer than the answer. */
  async #lookAround(): Promise<void> {
    const look = ++this.#looks
    this.#people(people.hereUnknown)
    while (look === this.#looks && this.#subscribed()) {
      const moves: ((now: people.People) => people.People)[] = []
      this.#meanwhile = moves
      try {
        const { clients } = await this.#connection.client.presence(this.#channel)
        if (look !== this.#looks) return
        const here = new Map(Object.values(clients).map(({ client, user }) => [client, user]))
        this.#meanwhile = undefined
        this.#people((now) => moves.reduce((then, move) => move(then), people.withHere(now, here)))
        return
      } catch (thrown) {
        // Large conversations do not say who is here.
        if (!wireFailure(thrown).temporary) return
        await pause(1000)
      }
    }
  }

  /** A user came or went. */
  #moved(move: (now: people.People) => people.People): void {
    this.#meanwhile?.push(move)
    this.#people(move)
  }

  #hear({ offset, data, info }: PublicationContext): void {
    const said: unknown = data
    if (offset !== undefined && offset > 0) return this.#add([{ seq: offset, entry: readEntry(said, info?.user) }])
    if (this.#streaming.hear(said)) return
    this.#port.change((known) => withSignal(known, said, Date.now()))
    this.#settleLater()
  }

  #add(arrivals: readonly log.Placed[]): void {
    this.#port.change((known) => withEntries(known, arrivals))
    void this.#fillHoles()
  }

  /** A page and the stream may leave a hole between them when much happens at once. */
  async #fillHoles(): Promise<void> {
    if (this.#filling) return
    this.#filling = true
    try {
      for (let hole = this.#hole(); hole !== undefined; hole = this.#hole()) {
        const page = await this.#history.between(hole.after, hole.before, this.#port.known().timeline.epoch)
        if (page.length === 0) break
        this.#port.change((known) => withEntries(known, page))
      }
    } catch {
      // The next arrival looks again.
    }
    this.#filling = false
  }

  #hole() {
    return log.hole(this.#port.known().timeline)
  }

  /** There is no event for the end of typing: a typing user is forgotten after a while. */
  #settleLater(): void {
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => {
      this.#people((now) => people.settled(now, Date.now()))
      if (this.#port.known().people.typing.size > 0) this.#settleLater()
    }, 1000)
  }

  #people(how: (now: people.People) => people.People): void {
    this.#port.change((known) => {
      const next = how(known.people)
      return next === known.people ? known : { ...known, people: next }
    })
  }

  #end(code: number, reason: string): void {
    if (code === 0) return this.#stand('closed')
    const removed = code === unsubscribes.removed.code
    const problem = removed ? new ParleyError('notAllowed', reason, { code }) : wireFailure({ code, message: reason })
    this.#begun = false
    this.#stand('ended', problem)
  }

  #stand(status: ConversationStatus, problem?: ParleyError): void {
    this.#port.change((known) => ({ ...known, status, problem }))
  }
}
