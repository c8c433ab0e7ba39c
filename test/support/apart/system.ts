import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { z } from 'zod'
import { startQstash } from '../../../local/qstash/server.ts'
import { readSplit } from '../../../local/split.ts'
import { readWorkerConfig, type WorkerConfig } from '../../../local/worker-config.ts'
import type { Running, WorkerRun } from '../../../local/workerd.ts'
import { newestMigration } from '../../../src/adapters/neon/newest-migration.ts'
import { freePort } from '../e2e/system.ts'
import { until } from '../e2e/until.ts'

const adminKey = 'operator-of-the-tests'
const root = join(import.meta.dirname, '../../..')

/** A request that an endpoint of the tenant received. */
export interface Received {
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** What all systems of a test file share: the built Worker, a Postgres that takes everything, and an endpoint of the tenant. */
export class World {
  readonly received: Received[] = []
  readonly folder: string
  readonly config: WorkerConfig
  readonly #servers: Server[] = []
  databases = ''
  endpoint = ''

  private constructor(folder: string, config: WorkerConfig) {
    this.folder = folder
    this.config = config
  }

  static async make(): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), 'parley-apart-')), await readWorkerConfig())
    world.databases = await world.#listen((_, body) => answerOfPostgres(body))
    world.endpoint = await world.#listen((path, body, headers) => {
      world.received.push({ path, headers, body })
      return '{"ok":true}'
    })
    await build({
      entryPoints: [join(import.meta.dirname, 'gate.js')],
      alias: { parley: join(root, 'src/index.ts') },
      outfile: world.worker,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2024',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['cloudflare:*', 'node:*'],
      logLevel: 'warning',
    })
    return world
  }

  get worker(): string {
    return join(this.folder, 'worker.js')
  }

  /** Whether the endpoint was called at a path. */
  wasCalled(path: string): boolean {
    return this.received.some((each) => each.path === path)
  }

  async end(): Promise<void> {
    for (const server of this.#servers) server.close().closeAllConnections()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }

  async #listen(answer: (path: string, body: string, headers: Received['headers']) => string): Promise<string> {
    const server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json')
      void text(request).then((body) => response.end(answer(request.url ?? '', body, request.headers)))
    })
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = z.object({ port: z.number() }).parse(server.address())
    return `127.0.0.1:${port}`
  }
}

const rows = (found: readonly (readonly string[])[], fields: readonly string[]) => ({
  command: 'SELECT',
  rowCount: found.length,
  rowAsArray: true,
  fields: fields.map((name) => ({ name, dataTypeID: 25 })),
  rows: found,
})
const asked = z.object({ query: z.string().optional(), queries: z.array(z.unknown()).optional() })

/** A Postgres that has all migrations, takes every statement, and finds nothing. */
function answerOfPostgres(body: string): string {
  const { query = '', queries } = asked.parse(JSON.parse(body))
  if (query.includes('schema_migrations')) return JSON.stringify(rows([[String(newestMigration.shard)]], ['number']))
  const nothing = rows([], [])
  return JSON.stringify(queries === undefined ? nothing : { results: queries.map(() => nothing) })
}

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** How a system is put together. */
export interface Parts {
  readonly apart?: string
  readonly transferred?: string
}

/** The Workers of a system on one runtime, with a QStash of its own. Its data is kept between starts. */
export class TestSystem {
  readonly port: number
  readonly #world: World
  readonly #dataDir: string
  readonly #qstashPort: number
  readonly #start: (run: WorkerRun) => Promise<Running>
  #ends: (() => Promise<void>)[] = []
  key = ''

  private constructor(
    world: World,
    port: number,
    qstashPort: number,
    dataDir: string,
    start: (run: WorkerRun) => Promise<Running>,
  ) {
    this.#qstashPort = qstashPort
    this.#world = world
    this.port = port
    this.#dataDir = dataDir
    this.#start = start
  }

  /** A system that answers, with the tenant `acme`. */
  static async start(
    world: World,
    start: (run: WorkerRun) => Promise<Running>,
    parts: Parts = {},
  ): Promise<TestSystem> {
    const dataDir = await mkdtemp(join(world.folder, 'system-'))
    const system = new TestSystem(world, await freePort(), await freePort(), dataDir, start)
    await system.startAs(parts)
    const made = await system.call('PUT /admin/v1/tenants/acme', { as: adminKey, body: { name: 'Acme' } })
    system.key = z.object({ apiKey: z.string() }).parse(made.body).apiKey
    return system
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/connection/websocket`
  }

  /** Starts it with these parts on what it has stored. */
  async startAs({ apart, transferred }: Parts): Promise<void> {
    const keys = { current: 'sig_current_0123456789', next: 'sig_next_0123456789' }
    const database = (name: string) => `postgresql://app:secret@${name}.local/${name}`
    const running = await this.#start({
      worker: this.#world.worker,
      config: this.#world.config,
      split: readSplit(apart, transferred),
      dataDir: this.#dataDir,
      host: '127.0.0.1',
      port: this.port,
      vars: {
        ENVIRONMENT: 'local',
        ADMIN_KEY: adminKey,
        ALLOW_PRIVATE_ENDPOINTS: '1',
        CLIENTS: 'direct',
        LINKS: 'off',
        PROJECTION_DELAY_MS: '500',
        ENCRYPTION_KEYS: 'k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=',
        NEON_PROXY: this.#world.databases,
        DATABASE_URL_DIRECTORY: database('directory'),
        DATABASE_URL_SHARD0: database('shard0'),
        DATABASE_URL_SHARD1: database('shard1'),
        QSTASH_URL: `http://127.0.0.1:${this.#qstashPort}`,
        QSTASH_TOKEN: 'token-of-qstash',
        QSTASH_CURRENT_SIGNING_KEY: keys.current,
        QSTASH_NEXT_SIGNING_KEY: keys.next,
        PUBLIC_URL: this.url,
      },
    })
    await until('the system answers', async () => (await fetch(`${this.url}/healthz`)).ok, 60_000)
    // Begun last and stopped first: what it delivers to a system that does not listen comes much later.
    const qstash = await startQstash({
      port: this.#qstashPort,
      dataFile: join(this.#dataDir, 'qstash.sqlite'),
      token: 'token-of-qstash',
      currentSigningKey: keys.current,
      nextSigningKey: keys.next,
    })
    this.#ends = [() => qstash.stop(), () => running.stop()]
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) await end()
  }

  /** Stops the Worker of a context, or lets it go on. */
  async gate(binding: string, to: 'on' | 'off'): Promise<void> {
    await fetch(`${this.url}/gate/${binding}/${to}`)
  }

  async call(
    line: string,
    { as = this.key, body, headers = {} }: { as?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const [method = 'GET', path = '/'] = line.split(' ')
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(as === '' ? {} : { authorization: `Bearer ${as}` }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const answer = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: answer.startsWith('{') ? JSON.parse(answer) : answer,
    }
  }

  async asOperator(line: string, body?: unknown): Promise<Answer> {
    return await this.call(line, { as: adminKey, ...(body === undefined ? {} : { body }) })
  }
}
