import { bannedMark } from '../../../src/inbox/user-ban.ts'
import { conversationIn, inboxChannel, inboxUserIn } from '../../../src/protocol/channels.ts'
import type { UnsubscribeName } from '../../../src/protocol/close-codes.ts'
import { encodeUnsubscribe } from '../../../src/protocol/replies.ts'
import type { StreamPosition, StreamUpdate } from '../../../src/protocol/stream.ts'
import type { Hub, HubChannel } from '../../../src/realtime/hub.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { Overload } from '../../shared/overload.ts'

/** What an update may cause: a call that brings what is missing, the end of a subscription, another list of a user's conversations. */
interface Calls {
  readonly pull: (tenant: string, channel: string) => void
  readonly leave: (session: Session, channel: string) => void
  readonly inboxUpdated: (tenant: string, user: string, update: StreamUpdate) => void
}

/** Applies the updates of streams to the sessions subscribed at one gateway. */
export class ChannelUpdates {
  readonly #context: GatewayContext
  readonly #hub: Hub
  readonly #overload: Overload
  readonly #calls: Calls
  /** Positions of subscribers that were unsubscribed because their topic began to keep history, by channel. */
  readonly #resume = new WeakMap<Session, Map<string, StreamPosition>>()

  constructor(context: GatewayContext, hub: Hub, overload: Overload, calls: Calls) {
    this.#context = context
    this.#hub = hub
    this.#overload = overload
    this.#calls = calls
  }

  /** Delivers an update. Publications that are missing before it are fetched first; then it comes again with them. */
  apply(state: HubChannel, given: StreamUpdate): void {
    const events = this.#overload.thin(given.events)
    const update = events === given.events ? given : { ...given, events }
    const isConversation = conversationIn(state.channel) !== undefined
    const parts: readonly UpdatePart[] = isConversation ? splitAtRemovals(update) : [{ update }]
    if (isConversation) this.#endTyping(state, update)
    for (const { update: part, removed } of parts) {
      const { last } = state
      const applied = this.#hub.apply(state, part)
      if (applied === 'gap') this.#calls.pull(state.tenant, state.channel)
      if (applied === 'otherEpoch') this.#otherEpoch(state, update)
      if (applied !== 'applied') break
      if (removed !== undefined && removed.offset > last)
        this.#removeUser(state, removed.user, { epoch: state.epoch, offset: removed.offset })
    }
    for (const event of update.events) {
      if (event.kind === 'removed') this.#removeUser(state, event.user, event.before)
      if (event.kind === 'revoked') this.#revoke(state, event.until)
    }
    const user = isConversation ? undefined : inboxUserIn(state.channel)
    if (user !== undefined) this.#calls.inboxUpdated(state.tenant, user, update)
  }

  /** Ends all subscriptions of a channel whose position is lost: SDKs subscribe again with the position they kept. */
  startOver(state: HubChannel): void {
    state.last = -1
    for (const session of state.sessions) this.#unsubscribe(session, state.channel, 'insufficientState')
  }

  /** The position with which a session subscribes that had none itself; returned once. */
  resumePosition(session: Session, channel: string): StreamPosition | undefined {
    const positions = this.#resume.get(session)
    const position = positions?.get(channel)
    positions?.delete(channel)
    return position
  }

  /** The authors of these publications no longer type: their next typing notice is passed on at once. */
  #endTyping({ tenant, channel }: HubChannel, { publications }: StreamUpdate): void {
    const { connectionLimits } = this.#context
    if (!connectionLimits.isTyping) return
    for (const { info } of publications)
      if (info !== undefined) connectionLimits.endTyping({ tenant, user: info.user }, channel)
  }

  /**
   * The stream is another incarnation. Subscribers of a topic that kept no history have no position to recover from:
   * theirs is where the topic stood when it began to keep history, so that they receive everything published since.
   */
  #otherEpoch(state: HubChannel, { epoch, after }: StreamUpdate): void {
    if (state.epoch === '' || epoch === '') this.#context.tenants.forget(state.tenant)
    if (state.epoch === '' && epoch !== '')
      for (const session of state.sessions) {
        const positions = this.#resume.get(session) ?? new Map<string, StreamPosition>()
        this.#resume.set(session, positions.set(state.channel, { epoch, offset: after }))
      }
    this.startOver(state)
  }

  /** Ends a user's subscriptions that began before the removal. Those after it, of a user who was added again, stay. */
  #removeUser({ sessions, channel }: HubChannel, user: string, before: StreamPosition): void {
    for (const session of sessions) {
      const { epoch, skip = 0 } = session.subscriptions.get(channel) ?? {}
      const isMeant = session.user === user && epoch === before.epoch && skip < before.offset
      if (isMeant) this.#unsubscribe(session, channel, 'removed')
    }
  }

  #revoke(state: HubChannel, until: number): void {
    state.revokedUntil = until
    const close = until === bannedMark ? 'banned' : 'revoked'
    for (const session of state.sessions) if (session.issuedAt <= until) this.#context.sockets.close(session, close)
  }

  /** SDKs do not renew a server-side subscription by themselves: its connection is closed, and the SDK opens another. */
  #unsubscribe(session: Session, channel: string, name: UnsubscribeName): void {
    const isServerSide = session.subscriptions.get(channel)?.terms?.server === true
    if (isServerSide || channel === inboxChannel(session.user))
      return this.#context.sockets.close(session, 'insufficientState')
    this.#calls.leave(session, channel)
    this.#context.sockets.write(session, encodeUnsubscribe(channel, name))
  }
}

/** A part of an update that ends where a member left, if one did. */
export interface UpdatePart {
  readonly update: StreamUpdate
  readonly removed?: { readonly user: string; readonly offset: number }
}

/**
 * Cuts an update behind each entry that says that a member left: that member must not receive what follows. The stream
 * sends an event for it, too; an event can be lost on the way, an entry cannot, since it is fetched when it is missing.
 */
export function splitAtRemovals(update: StreamUpdate): UpdatePart[] {
  const parts: UpdatePart[] = []
  let after = update.after
  let begin = 0
  update.publications.forEach(({ data, offset }, index) => {
    if (!data.startsWith('{"type":"member.left"')) return
    const { member }: { member: string } = JSON.parse(data)
    const publications = update.publications.slice(begin, index + 1)
    parts.push({ update: { ...update, after, publications, events: [] }, removed: { user: member, offset } })
    after = offset
    begin = index + 1
  })
  return [
    ...parts,
    { update: begin === 0 ? update : { ...update, after, publications: update.publications.slice(begin) } },
  ]
}
