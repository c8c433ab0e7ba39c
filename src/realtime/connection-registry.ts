import type { Session } from './session.ts'

/** Whose connections one gateway holds: how many come from one address, and which are one user's. */
export class ConnectionRegistry {
  readonly #users = new Map<string, Set<Session>>()
  readonly #addresses = new Map<string, Set<Session>>()

  /** A socket was opened from `session.address`. Returns how many there are now; those who do not say are not counted. */
  opened(session: Session): number {
    if (session.address === '') return 0
    const sessions = this.#addresses.get(session.address) ?? new Set()
    this.#addresses.set(session.address, sessions.add(session))
    return sessions.size
  }

  /**
   * The session that goes when `session` is one too many of its address: the oldest that has not said who it is, so that
   * silent sockets lock out no client with a valid token. It is `session` itself when all others have.
   */
  surplus(session: Session): Session {
    for (const other of this.#addresses.get(session.address) ?? []) if (other.phase === 'new') return other
    return session
  }

  /** Counts a session as it was before the gateway slept. */
  restore(session: Session): void {
    this.opened(session)
    if (session.tenant !== '') this.authenticated(session)
  }

  /** The session has said who it is. Returns how many connections the user has here now. */
  authenticated(session: Session): number {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name) ?? new Set()
    this.#users.set(name, sessions.add(session))
    return sessions.size
  }

  /** The session is nobody's any more, while its socket may stay. */
  rejected(session: Session): void {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name)
    if (sessions?.delete(session) === true && sessions.size === 0) this.#users.delete(name)
  }

  /** The socket has gone. */
  closed(session: Session): void {
    this.rejected(session)
    const sessions = this.#addresses.get(session.address)
    if (sessions?.delete(session) === true && sessions.size === 0) this.#addresses.delete(session.address)
  }

  /** The user's connections here, also those that are still being let in. */
  connectionsOf(tenant: string, user: string): readonly Session[] {
    return [...(this.#users.get(nameOf(tenant, user)) ?? [])]
  }
}

/** A tenant's id holds no slash. */
const nameOf = (tenant: string, user: string) => `${tenant}/${user}`
