import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { buildAll } from '../../../local/build.ts'
import { startWorkerd, type Running } from '../../../local/workerd.ts'
import { readWorkerConfig } from '../../../local/worker-config.ts'
import { freePort } from '../e2e/system.ts'

const adminKey = 'operator-of-the-facade'
const answered = z.looseObject({ status: z.number().optional() })

/** The whole Worker on plain workerd, without Postgres, Redis and QStash, and a tenant `acme`. */
export class FacadeSystem {
  readonly port: number
  readonly #running: Running
  readonly #dataDir: string
  #key = ''

  private constructor(port: number, running: Running, dataDir: string) {
    this.port = port
    this.#running = running
    this.#dataDir = dataDir
  }

  static async start(vars: Readonly<Record<string, string>>): Promise<FacadeSystem> {
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-facade-'))
    const worker = join(dataDir, 'worker.js')
    await buildAll(worker)
    const port = await freePort()
    const nowhere = 'postgresql://app:secret@127.0.0.1:9/none'
    const all = {
      ENVIRONMENT: 'local',
      CLIENTS: 'direct',
      ADMIN_KEY: adminKey,
      SHARDS: 'shard0',
      NEON_PROXY: '127.0.0.1:9',
      DATABASE_URL_DIRECTORY: nowhere,
      DATABASE_URL_SHARD0: nowhere,
      ...vars,
    }
    const config = await readWorkerConfig()
    const running = await startWorkerd({ worker, config, vars: all, dataDir, host: '127.0.0.1', port })
    const system = new FacadeSystem(port, running, dataDir)
    await system.#open()
    return system
  }

  async stop(): Promise<void> {
    await this.#running.stop()
    await rm(this.#dataDir, { recursive: true, force: true })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Calls the API as the tenant's server. */
  async api(line: string, body?: object): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    return await this.#call(line, this.#key, body)
  }

  /** A request with any headers, also those that fetch does not send. */
  async raw(
    path: string,
    headers: Readonly<Record<string, string>> = {},
    method = 'GET',
    body?: Buffer,
  ): Promise<{ readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: Buffer }> {
    return await new Promise((resolve, reject) => {
      const asked = request({ port: this.port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
        response.on('error', reject)
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  async #open(): Promise<void> {
    for (;;) {
      const limits = { requestsPerSecondKey: 100_000, requestsPerSecondTenant: 100_000 }
      const made = await this.#call('PUT /admin/v1/tenants/acme', adminKey, { name: 'Acme', limits }).catch(
        () => undefined,
      )
      if (made?.status === 201) this.#key = String(made.body['apiKey'])
      if (made !== undefined && made.status !== 201) throw new Error(`no tenant: ${JSON.stringify(made)}`)
      if (made !== undefined) return
      await new Promise((again) => setTimeout(again, 50))
    }
  }

  async #call(line: string, key: string, body?: object) {
    const [method = 'GET', path = '/'] = line.split(' ')
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : answered.parse(JSON.parse(text)) }
  }
}
