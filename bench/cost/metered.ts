import { join } from 'node:path'
import { z } from 'zod'
import { answers, freePort } from '../ports.ts'
import { Processes } from '../processes.ts'
import type { Reach } from '../targets/target.ts'
import { billSchema, type Bill } from './price.ts'

/** A system under the meter, and how its clients and its operator reach it. */
export interface MeteredSystem {
  readonly reach: Reach
  bill(): Promise<Bill>
  /** The cron expressions of the schedule. */
  crons(): Promise<readonly string[]>
  /** Starts the tasks of an expression, as the clock does. */
  ring(cron: string): Promise<void>
  createTenant(id: string): Promise<void>
  /** Calls the API with the key of a tenant's server. */
  call(method: string, path: string, body?: object): Promise<unknown>
}

const limits = { LIMIT_MESSAGES_PER_SECOND: '1000000', LIMIT_REQUESTS_PER_SECOND: '1000000' }
const adminKey = 'bench-admin-key-of-the-cost-suite'
const schedule = z.object({ entries: z.array(z.object({ name: z.string(), cron: z.string() })) })

/** Runs `work` on a metered system in `folder` with so many gateways: hibernating and without links, as on Cloudflare. */
export async function withMeteredSystem<T>(
  folder: string,
  gateways: number,
  work: (system: MeteredSystem) => Promise<T>,
): Promise<T> {
  const processes = new Processes()
  processes.endWithUs()
  const port = await freePort()
  const server = processes.start({
    name: `cost-${gateways}`,
    command: process.execPath,
    args: [join(import.meta.dirname, 'serve.ts')],
    env: {
      PORT: String(port),
      PARLEY_PROFILE: 'dev',
      PARLEY_DATA: join(folder, `parley-${gateways}`),
      ADMIN_KEY: adminKey,
      LINKS: 'off',
      HIBERNATION: 'on',
      PROJECTION_DELAY_MS: '60000',
      GATEWAYS_PER_REGION: String(gateways),
      CONNECTIONS_PER_ADDRESS: '20000',
      ALLOW_PRIVATE_ENDPOINTS: '1',
      ...limits,
    },
    logs: folder,
  })
  try {
    await server.ready(() => answers(`http://127.0.0.1:${port}/readyz`), 120_000)
    return await work(new System(`127.0.0.1:${port}`))
  } finally {
    await server.stop()
  }
}

class System implements MeteredSystem {
  readonly #origin: string
  readonly reach: Reach

  constructor(host: string) {
    this.#origin = `http://${host}`
    this.reach = { url: `ws://${host}/connection/websocket`, apiKey: 'demo-key', offerDeflate: false }
  }

  async bill(): Promise<Bill> {
    return billSchema.parse(await (await fetch(`${this.#origin}/bill`)).json())
  }

  async crons() {
    const { entries } = schedule.parse(await (await this.#ask('GET', '/admin/v1/cron')).json())
    return [...new Set(entries.map(({ cron }) => cron))]
  }

  async ring(cron: string): Promise<void> {
    await this.#ask('GET', `/ring?cron=${encodeURIComponent(cron)}`)
  }

  async createTenant(id: string): Promise<void> {
    await this.#ask('PUT', `/admin/v1/tenants/${id}`, { name: id })
  }

  async call(method: string, path: string, body?: object): Promise<unknown> {
    const text = await (await this.#ask(method, path, body, this.reach.apiKey)).text()
    return text === '' ? undefined : JSON.parse(text)
  }

  async #ask(method: string, path: string, body?: object, key = adminKey): Promise<Response> {
    const response = await fetch(this.#origin + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
    return response
  }
}
