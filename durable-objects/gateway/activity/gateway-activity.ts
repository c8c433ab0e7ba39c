import type { UnreadNotice } from '../../../src/activity/held-conversation.ts'
import { HeldConversations } from '../../../src/activity/held-conversations.ts'
import { PreparedActivity } from '../../../src/activity/prepared-activity.ts'
import { UserBuckets } from '../../../src/activity/user-buckets.ts'
import { bucketOf, type ConversationActivity, type ActivityAnswer } from '../../../src/events/activity.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import { backoffMs, within } from '../../../src/kernel/retry.ts'
import { inboxChannel } from '../../../src/protocol/channels.ts'
import { encodePub } from '../../../src/protocol/replies.ts'
import type { StreamUpdate } from '../../../src/protocol/stream.ts'
import { AdmissionQueue } from '../../../src/realtime/admission-queue.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { activityOf, conversationOf, inboxOf } from '../../address.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { BucketListener } from './bucket-listener.ts'
import { ConnectedTenant, type ConnectedUser } from './connected-user.ts'

/** How long a connect waits until the gateway listens to its user's conversations, in milliseconds. */
const listenMs = 2000
/** How long an inbox may take to say what a returning client missed. */
const missedMs = 2000
/** How long a conversation may take to return states. */
const statesMs = 5000
/** Users of one call to a conversation. */
const usersPerCall = 1000
/** Users that are sent one update before other events are handled. */
const usersPerBatch = 1000
/** Calls to conversations, and to inboxes of users that missed updates, that are under way at once. */
const callsAtOnce = 32
/** A deploy reaches a gateway within an hour: a session of the version before may lack what happened since it began. */
const recallMs = 3_600_000
/** After so many failures to learn what a user missed their connections are closed: each asks for the list when it returns. */
const missedAttempts = 3

/** The unread counts of the users connected to one gateway: which conversations they have, and what they are sent of them. */
export class GatewayActivity {
  readonly #context: GatewayContext
  readonly #tenants = new Map<string, ConnectedTenant>()
  /** Sessions of before the gateway slept whose tenant has not been needed since. */
  readonly #restored = new Map<string, Set<Session>>()
  /** By tenant and conversation. */
  readonly #held = new HeldConversations<ConnectedUser>()
  /** Conversations that are asked, or will be. */
  readonly #asking = new Set<string>()
  readonly #questions = new AdmissionQueue(callsAtOnce)
  readonly #missed = new AdmissionQueue(callsAtOnce)

  constructor(context: GatewayContext) {
    this.#context = context
  }

  /** Sessions of before the gateway slept. Those that had an inbox are put in order when their tenant is needed. */
  restore(sessions: readonly Session[]): void {
    for (const session of sessions) {
      if (session.buckets === undefined) {
        this.#recall(session)
        continue
      }
      const others = this.#restored.get(session.tenant) ?? new Set()
      this.#restored.set(session.tenant, others.add(session))
    }
  }

  /** A session of before gateways kept buckets: its inbox is asked for them, and what changed meanwhile is sent. */
  #recall(session: Session): void {
    if (!session.subscriptions.has(inboxChannel(session.user))) return
    const begun = this.#context.clock.now()
    this.#missed.enqueue({
      isGone: () => session.phase === 'closed',
      enter: async () => {
        try {
          const { tenant, user, client } = session
          const commands = [{ kind: 'subscribe', joinLeave: false, user, client }] as const
          const call = inboxOf(this.#context.env, tenant, user).execute({ gateway: null, have: null, commands })
          const { results } = await within(missedMs, 'the inbox', Promise.resolve(call))
          const [result] = results
          if (session.phase === 'closed' || result?.kind !== 'subscribed') return
          const missed = await this.connected(session, result.buckets, begun - recallMs)
          for (const event of missed ?? [])
            this.#context.sockets.write(session, encodePub(inboxChannel(user), { offset: 0, data: event }))
        } catch (thrown) {
          log.warn('gateway.recall-failed', { client: session.client, reason: reasonOf(thrown) })
          this.#context.sockets.close(session, 'insufficientState')
        }
      },
    })
  }

  /**
   * A session has subscribed to its inbox, which named the buckets of the user's conversations. Returns the `unread` events
   * that a returning client has missed since the offset `since`, or undefined when it has to ask for the list; with
   * a promise while the gateway does not listen to all of the buckets.
   */
  connected(
    session: Session,
    buckets: readonly number[] | undefined,
    since: number | undefined,
  ): Ready<readonly string[] | undefined> {
    if (buckets === undefined) return []
    const tenant = this.#open(session.tenant)
    const { user, isNew } = tenant.join(session, buckets)
    if (isNew) this.#keep(user)
    else session.buckets = user.buckets?.stored
    const listening = tenant.listener.listen(buckets)
    const missedSince = buckets.length === 0 ? undefined : since
    if (listening === undefined && missedSince === undefined) return []
    return this.#upToDate(tenant, user, listening, missedSince)
  }

  /** A connection has closed. */
  closed(session: Session): void {
    this.#restored.get(session.tenant)?.delete(session)
    this.#tenants.get(session.tenant)?.leave(session)
  }

  /** Where conversations of a tenant stand. */
  update(tenantName: string, updates: readonly ConversationActivity[]): ActivityAnswer {
    const tenant = this.#find(tenantName)
    if (tenant === undefined || tenant.users.size === 0) {
      this.#tenants.delete(tenantName)
      return { isListening: false, unwanted: [] }
    }
    const unwanted = updates.flatMap((activity) => {
      const bucket = bucketOf(activity.conversation)
      const users = tenant.interest.of(bucket)
      if (users.length > 0) void this.#tell(tenantName, activity, users)
      else tenant.listener.giveUp(bucket)
      return users.length > 0 ? [] : [bucket]
    })
    return { isListening: true, unwanted }
  }

  /** Updates since then were lost: each user is sent what has changed. False when the tenant has no user here. */
  updatesMissed(tenantName: string, since: number): boolean {
    const tenant = this.#find(tenantName)
    if (tenant === undefined || tenant.users.size === 0) return false
    this.#held.forgetStates((name) => name.startsWith(`${tenantName}/`))
    for (const user of tenant.users.values()) this.#tellMissed(user, since)
    return true
  }

  /** The inbox of a user published an update, which was delivered: the user may have joined a conversation, or left one. */
  inboxUpdated(tenantName: string, userName: string, { events, publications }: StreamUpdate): void {
    const tenant = this.#find(tenantName)
    const user = tenant?.users.get(userName)
    if (tenant === undefined || user === undefined) return
    for (const { data } of publications) this.#inboxPublished(tenant, user, data)
    for (const event of events) if (event.kind === 'listed') void this.#listed(tenant, user, event.conversation)
  }

  /** Forgets tenants without users. */
  tidy(): void {
    for (const [name, { users }] of this.#tenants) if (users.size === 0) this.#tenants.delete(name)
    for (const [name, sessions] of this.#restored) if (sessions.size === 0) this.#restored.delete(name)
  }

  async #upToDate(
    tenant: ConnectedTenant,
    user: ConnectedUser,
    listening: Promise<void> | undefined,
    since: number | undefined,
  ): Promise<readonly string[] | undefined> {
    const begun = this.#context.clock.now()
    if (listening !== undefined && !(await this.#inTime(tenant, listening)))
      void listening.then(() => this.#tellMissed(user, begun))
    if (since === undefined) return []
    try {
      return await this.#changesOf(user, since)
    } catch (thrown) {
      log.warn('gateway.missed-unknown', { tenant: user.tenant, reason: reasonOf(thrown) })
      return undefined
    }
  }

  async #inTime(tenant: ConnectedTenant, listening: Promise<void>): Promise<boolean> {
    if (tenant.listener.isFailing) return false
    try {
      await within(listenMs, 'listening', listening)
      return true
    } catch {
      return false
    }
  }

  async #changesOf(user: ConnectedUser, since: number): Promise<readonly string[] | undefined> {
    const inbox = inboxOf(this.#context.env, user.tenant, user.user)
    const events = await within(missedMs, 'the inbox', inbox.changes(since))
    return events?.map((event) => this.#held.find(`${user.tenant}/${namedIn(event)}`)?.newer(user, event) ?? event)
  }

  /** Tells a user what has changed since then, soon. */
  #tellMissed(user: ConnectedUser, since: number): void {
    if (user.isGone) return
    if (user.missedSince > 0) {
      user.missedSince = Math.min(user.missedSince, since)
      return
    }
    user.missedSince = since
    this.#missed.enqueue({ isGone: () => user.isGone, enter: () => this.#tellMissedNow(user, 1) })
  }

  async #tellMissedNow(user: ConnectedUser, attempt: number): Promise<void> {
    const since = user.missedSince
    user.missedSince = 0
    try {
      const events = await this.#changesOf(user, since)
      if (events === undefined) return this.#closeAll(user)
      for (const event of events) this.#write(user, event)
    } catch (thrown) {
      log.warn('gateway.missed-unknown', { tenant: user.tenant, attempt, reason: reasonOf(thrown) })
      if (attempt >= missedAttempts) return this.#closeAll(user)
      user.missedSince = user.missedSince === 0 ? since : Math.min(since, user.missedSince)
      await scheduler.wait(backoffMs(attempt, 200, 2000, Math.random()))
      if (!user.isGone) await this.#tellMissedNow(user, attempt + 1)
    }
  }

  /** There is too much to tell: clients return, and ask for the list. */
  #closeAll(user: ConnectedUser): void {
    for (const session of user.sessions) this.#context.sockets.close(session, 'insufficientState')
  }

  #inboxPublished(tenant: ConnectedTenant, user: ConnectedUser, data: string): void {
    const conversation = namedIn(data)
    if (conversation === undefined) return
    const held = this.#held.find(`${user.tenant}/${conversation}`)
    if (data.startsWith(removed)) return held?.removed(user)
    // The event that it is listed may have been lost.
    if (user.buckets?.has(bucketOf(conversation)) === false) return void this.#listed(tenant, user, conversation)
    // What the inbox knew may be older than what the client was sent before.
    const event = held?.eventOf(user)
    if (event !== undefined) this.#write(user, event)
  }

  /** The user has joined a conversation. Its state is asked for once the gateway listens: it is newer than all that was published before. */
  async #listed(tenant: ConnectedTenant, user: ConnectedUser, conversation: string): Promise<void> {
    const bucket = bucketOf(conversation)
    if (tenant.addBucket(user, bucket)) this.#keep(user)
    await tenant.listener.listen([bucket])
    if (user.isGone) return
    const name = `${user.tenant}/${conversation}`
    this.#held.open(name).want(user)
    this.#ask(user.tenant, conversation)
  }

  async #tell(tenant: string, activity: ConversationActivity, users: readonly ConnectedUser[]): Promise<void> {
    const name = `${tenant}/${activity.conversation}`
    const held = this.#held.open(name)
    if (!held.note(activity)) return
    const update = new PreparedActivity(activity)
    for (let first = 0; first < users.length; first += usersPerBatch) {
      if (first > 0) await scheduler.wait(0)
      const batch = users.slice(first, first + usersPerBatch).filter(({ isGone }) => !isGone)
      this.#show(held.apply(update, batch))
    }
    held.sweep(users, ({ isGone }) => isGone)
    this.#held.measure(name)
    if (!held.isIdle) this.#ask(tenant, activity.conversation)
  }

  /** Asks a conversation for the states of its users here that are not known: one call under way, the users of which gather meanwhile. */
  #ask(tenant: string, conversation: string): void {
    const name = `${tenant}/${conversation}`
    if (this.#asking.has(name)) return
    this.#asking.add(name)
    this.#questions.enqueue({ isGone: () => false, enter: () => this.#askNow(tenant, conversation, 0) })
  }

  async #askNow(tenant: string, conversation: string, failures: number): Promise<void> {
    const name = `${tenant}/${conversation}`
    const held = this.#held.open(name)
    const asked = held.ask(usersPerCall, ({ isGone }) => isGone)
    const isFailed = asked.length > 0 && !(await this.#askFor(held, tenant, conversation, asked, failures))
    this.#held.measure(name)
    this.#asking.delete(name)
    if (held.isIdle) return
    if (!isFailed) return this.#ask(tenant, conversation)
    // Not in the queue: other conversations must not wait for one that cannot be reached.
    this.#asking.add(name)
    void this.#askAgain(tenant, conversation, failures + 1)
  }

  async #askAgain(tenant: string, conversation: string, failures: number): Promise<void> {
    await scheduler.wait(backoffMs(failures, 100, 30_000, Math.random()))
    this.#questions.enqueue({ isGone: () => false, enter: () => this.#askNow(tenant, conversation, failures) })
  }

  async #askFor(
    held: ReturnType<HeldConversations<ConnectedUser>['open']>,
    tenant: string,
    conversation: string,
    asked: readonly ConnectedUser[],
    failures: number,
  ): Promise<boolean> {
    try {
      const call = conversationOf(this.#context.env, tenant, conversation).readStates(asked.map(({ user }) => user))
      this.#show(held.answered(await within(statesMs, 'the conversation', call)))
      return true
    } catch (thrown) {
      log.warn('gateway.states-unknown', { tenant, conversation, failures, reason: reasonOf(thrown) })
      held.notAnswered()
      return false
    }
  }

  #show(notices: readonly UnreadNotice<ConnectedUser>[]): void {
    for (const { user, event } of notices) this.#write(user, event)
  }

  #write(user: ConnectedUser, data: string): void {
    const line = encodePub(user.channel, { offset: 0, data })
    for (const session of user.sessions) this.#context.sockets.write(session, line)
  }

  /** The user's buckets changed: they go into the attachments of all sessions. */
  #keep({ buckets, sessions }: ConnectedUser): void {
    for (const session of sessions) {
      session.buckets = buckets?.stored
      this.#context.sockets.changed(session)
    }
  }

  #find(name: string): ConnectedTenant | undefined {
    return this.#tenants.get(name) ?? (this.#restored.has(name) ? this.#open(name) : undefined)
  }

  #open(name: string): ConnectedTenant {
    const known = this.#tenants.get(name)
    if (known !== undefined) return known
    const { env, config, clock } = this.#context
    const tenant = new ConnectedTenant(
      (isWanted) =>
        new BucketListener({
          listen: async (actor, buckets) => await activityOf(env, name, actor).listen(this.#context.name, buckets),
          actors: config.activityActors(name),
          isWanted,
          now: () => clock.now(),
        }),
    )
    this.#tenants.set(name, tenant)
    for (const session of this.#restored.get(name) ?? []) this.#rejoin(tenant, session)
    this.#restored.delete(name)
    return tenant
  }

  /** What is in attachments was listened to before the gateway slept. */
  #rejoin(tenant: ConnectedTenant, session: Session): void {
    const { buckets } = session
    if (buckets === undefined) return
    const stored = buckets === null ? undefined : UserBuckets.restore(buckets)
    tenant.join(session, stored)
    if (stored !== undefined) tenant.listener.restore(stored)
  }
}

const removed = '{"type":"removed","conversation":"'
const unread = '{"type":"unread","conversation":"'

/** The conversation that an inbox's publication is about. An id holds nothing that JSON escapes. */
function namedIn(data: string): string | undefined {
  const begin = [unread, removed].find((each) => data.startsWith(each))?.length
  return begin === undefined ? undefined : data.slice(begin, data.indexOf('"', begin))
}
