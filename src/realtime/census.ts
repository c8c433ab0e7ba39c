import type { Session } from './session.ts'

/** Whose connections one gateway holds: how many come from one address, and which are one user's. */
export class Census {
  readonly #users = new Map<string, Set<Session>>()
  readonly #addresses = new Map<string, number>()

  /** A socket was opened from `session.address`. Returns how many there are now; those who do not say are not counted. */
  arrive({ address }: Session): number {
    if (address === '') return 0
    const count = (this.#addresses.get(address) ?? 0) + 1
    this.#addresses.set(address, count)
    return count
  }

  /** Counts a session as it was before the gateway slept. */
  restore(session: Session): void {
    this.arrive(session)
    if (session.tenant !== '') this.enter(session)
  }

  /** The session has said who it is. Returns how many connections the user has here now. */
  enter(session: Session): number {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name) ?? new Set()
    this.#users.set(name, sessions.add(session))
    return sessions.size
  }

  /** The session is nobody's any more, while its socket may stay. */
  leave(session: Session): void {
    const name = nameOf(session.tenant, session.user)
    const sessions = this.#users.get(name)
    if (sessions?.delete(session) === true && sessions.size === 0) this.#users.delete(name)
  }

  /** The socket has gone. */
  depart(session: Session): void {
    this.leave(session)
    const left = (this.#addresses.get(session.address) ?? 0) - 1
    if (left > 0) this.#addresses.set(session.address, left)
    else this.#addresses.delete(session.address)
  }

  /** The user's connections here, also those that are still being let in. */
  of(tenant: string, user: string): readonly Session[] {
    return [...(this.#users.get(nameOf(tenant, user)) ?? [])]
  }
}

/** A tenant's id holds no slash. */
const nameOf = (tenant: string, user: string) => `${tenant}/${user}`
