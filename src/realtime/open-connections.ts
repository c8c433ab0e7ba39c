/** How long a client may take to close its connection after the server has closed it, in milliseconds. */
export const closeGraceMs = 5000

interface Connection {
  /** The name of its gateway. */
  readonly gateway: string
  /** Set once the gateway has taken it over. */
  isHeld: boolean
  readonly cut: () => void
}

/**
 * The connections that clients hold open in this process. The platform has no way to end one whose peer ignores the close
 * frame, does not read or never finishes a frame; the edge, which passes it on, can abort it. So the edge registers how
 * to abort a connection, and the gateway decides when. A connection counts until the edge has ended it.
 */
export class OpenConnections {
  readonly #connections = new Map<string, Connection>()

  get count(): number {
    return this.#connections.size
  }

  /** A connection is on its way to a gateway. `cut` ends it, whatever its peer does. */
  open(id: string, gateway: string, cut: () => void): void {
    this.#connections.set(id, { gateway, isHeld: false, cut })
  }

  /** Its gateway has taken it over. */
  held(id: string): void {
    const connection = this.#connections.get(id)
    if (connection !== undefined) connection.isHeld = true
  }

  /** Ends a connection now, if it is still there. */
  end(id: string): void {
    const connection = this.#connections.get(id)
    this.#connections.delete(id)
    connection?.cut()
  }

  /** A gateway has started anew: of the connections it had held, only those in `ids` still have a session. */
  keepOnly(gateway: string, ids: ReadonlySet<string>): void {
    for (const [id, connection] of this.#connections)
      if (connection.gateway === gateway && connection.isHeld && !ids.has(id)) this.end(id)
  }
}

/** The connections of this process. On Cloudflare, where edge and gateways need not share a process, it stays empty. */
export const openConnections = new OpenConnections()
