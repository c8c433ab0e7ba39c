import type { Clock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { inboxChannel } from '../../src/protocol/channels.ts'
import type { CloseName } from '../../src/protocol/close-codes.ts'
import type { Command } from '../../src/protocol/commands.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { encodeRefusal, encodeReply } from '../../src/protocol/replies.ts'
import type { StreamResult } from '../../src/protocol/stream.ts'
import type { Census } from '../../src/realtime/census.ts'
import type { Session } from '../../src/realtime/session.ts'
import { Turnstile } from '../../src/realtime/turnstile.ts'
import { encodeConnected } from './connected.ts'
import type { Admitted, Doorman } from './doorman.ts'
import type { Sockets } from './sockets.ts'
import type { Streams } from './streams.ts'

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

/** What an entrance works with. `end` closes a session; `obey` takes the commands that waited for the connect. */
export interface EntranceParts {
  readonly sockets: Sockets
  readonly streams: Streams
  readonly doorman: Doorman
  readonly census: Census
  /** Since when a user's tokens count, in milliseconds: those issued until then were revoked. */
  readonly revokedAt: (session: Session) => Promise<number>
  readonly clock: Clock
  /** The session's token is another one. */
  readonly watch: (session: Session) => void
  readonly end: (session: Session, name: CloseName, why: string) => void
  readonly obey: (session: Session, command: Command) => void
}

/** Connects under way at once: enough to keep every inbox busy, few enough that the first are in soon. */
const atOnce = 64

/** Where sessions say who they are: lets them in with their personal stream, in the order they came, and renews their tokens. */
export class Entrance {
  readonly #parts: EntranceParts
  readonly #turnstile = new Turnstile(atOnce)
  /** Commands that came before the connect was answered, by session. */
  readonly #early = new Map<Session, Command[]>()

  constructor(parts: EntranceParts) {
    this.#parts = parts
  }

  connect(session: Session, command: Of<'connect'>): void {
    if (session.phase !== 'new') return this.#parts.end(session, 'badRequest', 'already connected')
    session.phase = 'connecting'
    this.#early.set(session, [])
    this.#turnstile.come({
      enter: () => this.#welcome(session, command),
      isGone: () => session.phase === 'closed',
    })
  }

  /** Keeps a command until the connect is answered. */
  wait(session: Session, command: Command): void {
    const early = this.#early.get(session)
    if (early === undefined || early.length < sizes.commandsPerFrame) early?.push(command)
    else this.#parts.end(session, 'badRequest', 'too many commands before the connect was answered')
  }

  /** A new token for a session that is in: of the same user, or it ends. */
  async refresh(session: Session, { id, request }: Of<'refresh'>): Promise<void> {
    const { sockets, end, clock } = this.#parts
    if (request.token === '') return end(session, 'badRequest', 'refresh without a token')
    const admitted = await this.#admit(request.token)
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return end(session, admitted.close, 'token')
    if (admitted.kind === 'refused') {
      if (admitted.error === 'tokenExpired') return end(session, 'expired', 'token')
      return sockets.write(session, encodeRefusal(id, admitted))
    }
    const { tenant, user, expiresAt, issuedAt } = admitted.claims
    if (tenant !== session.tenant || user !== session.user) return end(session, 'invalidToken', 'another user')
    if (await this.#isRevoked(session, issuedAt)) return end(session, 'invalidToken', 'revoked')
    Object.assign(session, { expiresAt, issuedAt })
    this.#parts.watch(session)
    sockets.changed(session)
    const ttl = Math.max(1, Math.floor((expiresAt - clock.now()) / 1000))
    sockets.write(session, encodeReply(id, 'refresh', JSON.stringify({ client: session.client, expires: true, ttl })))
  }

  /** When nobody can say, the session keeps what it has: its user's stream tells of a revocation by itself. */
  async #isRevoked(session: Session, issuedAt: number): Promise<boolean> {
    try {
      return issuedAt <= (await this.#parts.revokedAt(session))
    } catch (thrown) {
      log.warn('gateway.revoked-unknown', { why: reasonOf(thrown) })
      return false
    }
  }

  /** The session has ended, wherever it stood. */
  gone(session: Session): void {
    this.#early.delete(session)
  }

  async #welcome(session: Session, command: Of<'connect'>): Promise<void> {
    const admitted = await this.#admit(command.request.token)
    if (session.phase === 'closed') return
    if (admitted.kind === 'turnedAway') return this.#parts.end(session, admitted.close, 'token')
    if (admitted.kind === 'refused') return this.#refuse(session, command.id, admitted)
    const { tenant, user, expiresAt, issuedAt } = admitted.claims
    Object.assign(session, { tenant, user, expiresAt, issuedAt })
    await this.#greet(session, command, admitted)
  }

  /** Subscribes the session to its own stream; that answer is what the connect's reply is made of. */
  #greet(
    session: Session,
    { id, request }: Of<'connect'>,
    admitted: Extract<Admitted, { kind: 'admitted' }>,
  ): Promise<void> {
    const channel = inboxChannel(session.user)
    const known = request.subs[channel]
    const since = known?.recover === true ? { since: { offset: known.offset, epoch: known.epoch } } : {}
    const pass = {
      issuedAt: session.issuedAt,
      connections: this.#parts.census.enter(session),
      atMost: admitted.limits.connectionsPerUser,
    }
    return new Promise((greeted) => {
      this.#parts.streams.ask(session, channel, { kind: 'subscribe', joinLeave: false, pass, ...since }, (result) => {
        this.#answer(session, id, admitted, result)
        greeted()
      })
    })
  }

  #answer(
    session: Session,
    id: number,
    { limits }: Extract<Admitted, { kind: 'admitted' }>,
    result: StreamResult,
  ): void {
    if (result.kind !== 'subscribed')
      return this.#turnAway(session, id, result.kind === 'refused' ? result : refuse('internal'))
    const { sockets, clock, watch } = this.#parts
    session.phase = session.phase === 'closed' ? 'closed' : 'open'
    watch(session)
    sockets.changed(session)
    sockets.write(session, encodeReply(id, 'connect', encodeConnected(session, result, limits, clock.now())))
    this.#catchUp(session)
  }

  async #admit(token: string): Promise<Admitted> {
    try {
      return await this.#parts.doorman.admit(token, this.#parts.clock.now())
    } catch (thrown) {
      log.error('gateway.admit-failed', { why: reasonOf(thrown) })
      return refuse('internal', 'the tenant could not be reached')
    }
  }

  /** Her own stream would not have the connection: by its code the SDK knows whether to try again. */
  #turnAway(session: Session, id: number, refusal: Refusal): void {
    const { end } = this.#parts
    if (refusal.error === 'unauthorized') end(session, 'invalidToken', 'revoked')
    else if (refusal.error === 'limitExceeded') end(session, 'connectionLimit', 'user')
    else this.#refuse(session, id, refusal)
  }

  /** After an error to connect the connection is of no more use; the SDK opens another. */
  #refuse(session: Session, id: number, refusal: Refusal): void {
    this.#early.delete(session)
    this.#parts.census.leave(session)
    session.phase = 'new'
    session.tenant = ''
    this.#parts.sockets.write(session, encodeRefusal(id, refusal))
  }

  #catchUp(session: Session): void {
    const early = this.#early.get(session) ?? []
    this.#early.delete(session)
    for (const command of early) this.#parts.obey(session, command)
  }
}
