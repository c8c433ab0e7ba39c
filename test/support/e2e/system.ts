import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { familyOf, kill, lives, naming } from './processes.ts'
import { until } from './until.ts'

const root = join(import.meta.dirname, '../../..')
const startsWithinMs = 120_000

/** How a system is to be started. */
export interface SystemOptions {
  /** `serve`: plain workerd; `start`: Miniflare. */
  readonly launcher?: 'serve' | 'start'
  /** Another program instead of the launcher, from the root of the project. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

/** Limits of the tenant that no test reaches by chance. */
export const unlimited = { LIMIT_MESSAGES_PER_SECOND: '10000', LIMIT_REQUESTS_PER_SECOND: '10000' } as const

/** Every system started here, so that none outlives the tests, however they end. */
const running = new Set<System>()
process.once('exit', () => running.forEach((system) => system.abandon()))

/** The whole real system in a folder and on a port of its own: started, killed, started again, ended. */
export class System {
  readonly port: number
  readonly dataDir = mkdtempSync(join(tmpdir(), 'parley-e2e-'))
  /** The command of the next start. */
  launcher: 'serve' | 'start'
  readonly #options: SystemOptions
  #launcher: ChildProcess | undefined
  #said: string[] = []

  private constructor(port: number, options: SystemOptions) {
    this.port = port
    this.#options = options
    this.launcher = options.launcher ?? 'serve'
  }

  /** A system that answers. */
  static async start(options: SystemOptions = {}): Promise<System> {
    const system = System.prepare(await freePort(), options)
    await system.startAgain()
    return system
  }

  /** A system that was not started yet. */
  static prepare(port: number, options: SystemOptions = {}): System {
    const system = new System(port, {
      env: unlimited,
      ...options,
    })
    running.add(system)
    return system
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/connection/websocket`
  }

  /** What the launcher printed. */
  get output(): string {
    return this.#said.join('')
  }

  get adminKey(): string {
    const secrets: unknown = JSON.parse(readFileSync(join(this.dataDir, 'secrets.json'), 'utf8'))
    return z.object({ adminKey: z.string() }).parse(secrets).adminKey
  }

  get launcherPid(): number {
    const pid = this.#launcher?.pid
    if (pid === undefined) throw new Error('this system was not started')
    return pid
  }

  get workerPid(): number {
    const worker = familyOf(this.launcherPid).find(({ command }) => /workerd\S* serve /.test(command))
    if (worker === undefined) throw new Error('workerd does not run')
    return worker.pid
  }

  /** Starts it on what it has stored, and waits until it says that it is ready; returns how long that took. */
  async startAgain(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Promise<number> {
    const began = performance.now()
    const exited = this.spawn(args, env)
    const ready = until('the system is ready', () => /parley (?:is )?ready/i.test(this.output), startsWithinMs)
    await Promise.race([ready, exited.then((code) => Promise.reject(new Error(`ended with ${code}:\n${this.output}`)))])
    return performance.now() - began
  }

  /** Starts the launcher and does not wait for anything; gives its exit code in the end. */
  spawn(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<number | null> {
    const { args: always = [], env: settings, program = `local/${this.launcher}.ts` } = this.#options
    this.#said = []
    // Tests wait until Postgres has what was written.
    const own = {
      PORT: String(this.port),
      PARLEY_DATA: this.dataDir,
      PARLEY_PROFILE: 'dev',
      // Tests that want the bot of the page say so.
      PARLEY_GUIDE: 'off',
      PROJECTION_DELAY_MS: '500',
    }
    const child = spawn(process.execPath, [join(root, program), ...always, ...args], {
      cwd: root,
      env: { ...process.env, ...own, ...settings, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.on('data', (chunk) => this.#said.push(String(chunk)))
    child.stderr.on('data', (chunk) => this.#said.push(String(chunk)))
    this.#launcher = child
    return new Promise((resolve) => child.once('exit', resolve))
  }

  /** `kill -9` of the Worker's process, in the middle of whatever it does. The launcher notices and ends. */
  async killWorker(): Promise<void> {
    kill(this.workerPid, 'SIGKILL')
    await this.#ended()
  }

  /** `kill -9` of the launcher; what it started is left to itself. */
  async killLauncher(): Promise<void> {
    kill(this.launcherPid, 'SIGKILL')
    await this.#ended()
  }

  /** SIGTERM, as an operator would send it; its data stays. */
  async terminate(): Promise<void> {
    kill(this.launcherPid, 'SIGTERM')
    await this.#ended()
  }

  /** Ends it for good, by the shortest way, and removes its data. */
  abandon(): void {
    const family = this.#launcher?.pid === undefined ? [] : familyOf(this.#launcher.pid)
    for (const { pid } of [...family, ...naming(this.dataDir)]) kill(pid, 'SIGKILL')
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 20 })
    running.delete(this)
  }

  async #ended(): Promise<void> {
    const launcher = this.launcherPid
    await until('the launcher ended', () => !lives(launcher), 90_000)
  }
}

/**
 * A free port from below those that the system hands out: a killed server comes back on the same port, which must not
 * have been given to an outgoing connection meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
