import type { Session } from './session.ts'

/** The connections of one gateway, by address and by user. */
export class ConnectionRegistry {
  readonly #users = new Map<string, Set<Session>>()
  readonly #addresses = new Map<string, Set<Session>>()

  /** A connection was opened from `session.address`. Returns how many the address has now; without an address 0. */
  opened(session: Session): number {
    if (session.address === '') return 0
    const sessions = this.#addresses.get(session.address) ?? new Set()
    this.#addresses.set(session.address, sessions.add(session))
    return sessions.size
  }

  /**
   * The session to close when `session` is one too many of its address: the oldest that has not connected yet, so that
   * silent sockets lock out no client with a valid token. It is `session` itself when all others have connected.
   */
  surplus(session: Session): Session {
    for (const other of this.#addresses.get(session.address) ?? []) if (other.phase === 'new') return other
    return session
  }

  /** Adds a session of before the gateway slept. */
  restore(session: Session): void {
    this.opened(session)
    if (session.tenant !== '') this.authenticated(session)
  }

  /** The session's user is known. Returns how many connections the user has here now. */
  authenticated(session: Session): number {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name) ?? new Set()
    this.#users.set(name, sessions.add(session))
    return sessions.size
  }

  /** The session has no user any more; its socket may stay open. */
  rejected(session: Session): void {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name)
    if (sessions?.delete(session) === true && sessions.size === 0) this.#users.delete(name)
  }

  /** The connection has closed. */
  closed(session: Session): void {
    this.rejected(session)
    const sessions = this.#addresses.get(session.address)
    if (sessions?.delete(session) === true && sessions.size === 0) this.#addresses.delete(session.address)
  }

  /** The user's connections here, including those whose connect is not answered yet. */
  connectionsOf(tenant: string, user: string): readonly Session[] {
    return [...(this.#users.get(nameOf(tenant, user)) ?? [])]
  }
}

/** A tenant's id holds no slash. */
const nameOf = (tenant: string, user: string) => `${tenant}/${user}`
