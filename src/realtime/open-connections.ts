/** How long a client may take to close its connection after the server has, in milliseconds. */
export const closeGraceMs = 5000

interface Connection {
  /** The gateway that holds it. */
  readonly gateway: string
  /** Set once the gateway has taken it over. */
  isHeld: boolean
  readonly cut: () => void
}

/**
 * The connections that clients hold open in this process. The platform has no way to end one whose peer ignores the close
 * frame, does not read or never finishes a frame; the edge, which passes it on, can let go of it. So the edge says here how,
 * and the gateway when. A connection counts until the edge has let go.
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

/** Those of this process. On Cloudflare, where edge and gateways need not share one, nothing is ever in it. */
export const openConnections = new OpenConnections()
