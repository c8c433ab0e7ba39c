import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** A charge as the provider's books show it. */
export interface Charge {
  readonly id: string
  readonly key: string
  readonly amount: number
  isReturned: boolean
}

const newCharge = z.object({ amount: z.int(), card: z.string() })

/**
 * Stands in for the company that takes the money: outside of the shop, with a memory of its own. One key is one charge. The card
 * `declined` is declined. While it is `down` it answers 503 and does nothing.
 */
export class ProviderStandIn {
  readonly charges = new Map<string, Charge>()
  readonly #cancelled = new Set<string>()
  readonly #server: Server
  isDown = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port = 0): Promise<ProviderStandIn> {
    const server = createServer()
    const provider = new ProviderStandIn(server)
    server.on('request', (request, response) => void provider.#answer(request, response))
    await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
    return provider
  }

  get port(): number {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
    return (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const [status, body] = this.#do(request, Buffer.concat(chunks).toString())
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    })
    response.end(JSON.stringify(body))
  }

  #do({ url, headers }: IncomingMessage, text: string): [status: number, body: object] {
    const key = String(headers['idempotency-key'])
    if (this.isDown) return [503, { error: 'closed for maintenance' }]
    const known = this.charges.get(key)
    if (url === '/charges/find') return known === undefined ? [404, {}] : [200, { charge: known.id }]
    if (url === '/charges/cancel') {
      this.#cancelled.add(key)
      if (known !== undefined) known.isReturned = true
      return [200, {}]
    }
    if (url !== '/charges') return [400, { error: 'POST /charges, /charges/find or /charges/cancel' }]
    if (known !== undefined) return [200, { charge: known.id }]
    const { amount, card } = newCharge.parse(JSON.parse(text))
    if (card === 'declined' || this.#cancelled.has(key)) return [402, { error: 'the card was declined' }]
    const charge = { id: `ch_${this.charges.size + 1}`, key, amount, isReturned: false }
    this.charges.set(key, charge)
    return [200, { charge: charge.id }]
  }
}
