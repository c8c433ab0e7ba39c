import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle, partNames, startPart, type RunningPart } from '../../examples/shop/local/worker.ts'
import { ProviderStandIn } from '../../examples/shop/local/provider.ts'
import { setUp, type Pace, type PartName } from '../../examples/shop/shared/set-up.ts'
import { ParleyServer } from '../../sdk/server.ts'
import type { Chance } from '../jobs/support/chance.ts'
import { freePort } from '../support/e2e/system.ts'
import { apiKey, BareParley } from './bare-parley.ts'
import { madeBy, type ShopBug } from './bugs.ts'
import { FaultyProxy, type Faults } from './faulty-proxy.ts'

/** Short, so that a test sees many timeouts and repeats; attempts enough that none ends for want of them. */
const pace: Pace = {
  timeoutSeconds: 2,
  retry: { attempts: 100, seconds: 0.2, maxSeconds: 1 },
  maxAttempts: 100,
}
export const firstStock = { book: 100, lamp: 1_000_000 } as const

interface PartInWorld {
  readonly code: string
  readonly port: number
  readonly vars: Readonly<Record<string, string>>
  readonly proxy: FaultyProxy
  running: RunningPart | undefined
}

/** The shop, Parley and the payment provider, with a faulty network between all of them. */
export class ShopWorld {
  readonly parley: BareParley
  readonly provider: ProviderStandIn
  /** To Parley, without faults. */
  readonly operator: ParleyServer
  readonly #folder: string
  readonly #parts: Readonly<Record<PartName, PartInWorld>>
  readonly #proxies: readonly FaultyProxy[]
  readonly #charging = new Map<string, () => void>()

  private constructor(
    folder: string,
    parley: BareParley,
    provider: ProviderStandIn,
    operator: ParleyServer,
    parts: Readonly<Record<PartName, PartInWorld>>,
    proxies: readonly FaultyProxy[],
  ) {
    this.#folder = folder
    this.parley = parley
    this.provider = provider
    this.operator = operator
    this.#parts = parts
    this.#proxies = proxies
    for (const proxy of proxies)
      if (proxy.name === 'provider')
        proxy.arrived = ({ url, headers }) => {
          if (url === '/charges') this.#charging.get(String(headers['idempotency-key']))?.()
        }
  }

  static async start(chance: Chance, bug?: ShopBug): Promise<ShopWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'parley-shop-'))
    const codes = Promise.all(partNames.map((part) => bundle(part, bug?.part === part ? [madeBy(bug)] : [])))
    const parley = await BareParley.start(folder, await freePort())
    const provider = await ProviderStandIn.start()
    const operator = new ParleyServer({ url: parley.url, apiKey })
    const toParley = await FaultyProxy.before('parley', parley.port, chance)
    const toProvider = await FaultyProxy.before('provider', provider.port, chance)
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
    const toParts = await Promise.all(
      ports.map((port, index) => FaultyProxy.before(partNames[index] ?? '', port, chance)),
    )
    const [orders, stock, payment, notification] = toParts.map(({ url }) => url)
    const urls = { orders: orders ?? '', stock: stock ?? '', payment: payment ?? '', notification: notification ?? '' }
    const secrets = await setUp(operator, urls, pace)
    const made = await codes
    const partOf = (part: PartName): PartInWorld => {
      const index = partNames.indexOf(part)
      const proxy = toParts[index]
      const port = ports[index]
      if (proxy === undefined || port === undefined) throw new Error(`there is no part ${part}`)
      const vars = {
        PARLEY_URL: toParley.url,
        PARLEY_API_KEY: apiKey,
        WEBHOOK_SECRETS: secrets[part].join(' '),
        PROVIDER_URL: toProvider.url,
        FIRST_STOCK: JSON.stringify(firstStock),
      }
      return { code: made[index] ?? '', port, vars, proxy, running: undefined }
    }
    const parts = {
      orders: partOf('orders'),
      stock: partOf('stock'),
      payment: partOf('payment'),
      notification: partOf('notification'),
    }
    const world = new ShopWorld(folder, parley, provider, operator, parts, [toParley, toProvider, ...toParts])
    await Promise.all(partNames.map((part) => world.#startPart(part)))
    return world
  }

  /** Faults of the network between the parts and Parley, and of that to the provider; without them all is well. */
  setFaults(faults?: Faults, ofProvider?: Faults): void {
    for (const proxy of this.#proxies) proxy.faults = proxy.name === 'provider' ? ofProvider : faults
  }

  /** Requests held back by the network. */
  get underWay(): number {
    return this.#proxies.reduce((sum, { underWay }) => sum + underWay, 0)
  }

  get faultCounts(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {}
    for (const { counts } of this.#proxies)
      for (const [fault, count] of Object.entries(counts)) all[fault] = (all[fault] ?? 0) + count
    return all
  }

  /** The requests whose body names `word`, in order, for finding out what happened to an order. */
  requestsAbout(word: string): string[] {
    return this.#proxies
      .flatMap(({ passed }) => passed.filter(({ body }) => body.includes(word)))
      .toSorted((one, other) => one.atMs - other.atMs)
      .map(({ atMs, to, path, fault, answers }) => `${Math.round(atMs)} ms: ${to} ${path}, ${fault}: ${answers}`)
  }

  /** Settles when the provider is asked for the money of an order for the first time. */
  whenCharging(id: string): Promise<void> {
    return new Promise((resolve) => this.#charging.set(id, resolve))
  }

  /** A request of a customer to a part, through the network. */
  ask(part: PartName, path: string, body?: object): Promise<Response> {
    return request(this.#parts[part].proxy.url + path, body)
  }

  /** A look at a part's data, past the network. */
  async look(part: PartName, path: string): Promise<unknown> {
    const response = await request(`http://127.0.0.1:${this.#parts[part].port}${path}`)
    return await response.json()
  }

  /** Ends a part's process in the middle of whatever it does, and starts it again on its data. */
  async restartPart(part: PartName): Promise<void> {
    await this.#parts[part].running?.stop()
    await this.#startPart(part)
  }

  async restartParley(): Promise<void> {
    await this.parley.kill()
    await this.parley.startAgain()
  }

  async stop(): Promise<void> {
    await Promise.all(partNames.map(async (part) => this.#parts[part].running?.stop()))
    await this.parley.stop()
    await this.provider.stop()
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()))
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 })
  }

  async #startPart(part: PartName): Promise<void> {
    const { code, port, vars } = this.#parts[part]
    this.#parts[part].running = await startPart(part, code, { port, folder: this.#folder, vars })
  }
}

const request = (url: string, body?: object): Promise<Response> =>
  fetch(url, {
    signal: AbortSignal.timeout(5000),
    ...(body === undefined
      ? {}
      : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
