import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** How to start a program. */
export interface Program {
  name: string
  command: string
  args: readonly string[]
  env?: Record<string, string>
  cwd?: string
  /** Its output goes to `<name>.log` in here: to a file, so that reading it costs the bench nothing. */
  logs: string
}

/** Every program the bench started, so that none outlives it. */
export class Processes {
  readonly #running = new Set<StartedProcess>()

  start(program: Program): StartedProcess {
    const started = new StartedProcess(program)
    this.#running.add(started)
    void started.exited.then(() => this.#running.delete(started))
    return started
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.stop()))
  }

  /** Ends them with this process, also when a signal ends it. */
  endWithUs(): void {
    process.on('exit', () => this.killAll())
    process.on('SIGINT', () => process.exit(130))
    process.on('SIGTERM', () => process.exit(143))
  }

  /** Aborts on the first signal, so that the bench can end in order; the second ends it at once. Nothing is left behind. */
  abortOnSignal(): AbortSignal {
    const controller = new AbortController()
    const end = () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(new Error('interrupted'))
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
    process.on('exit', () => this.killAll())
    return controller.signal
  }

  /** For the last moment, when there is no time left to ask nicely. */
  killAll(): void {
    for (const each of this.#running) each.signal('SIGKILL')
  }
}

const graceMs = 8_000

/** A program that was started, in a process group of its own so that its children end with it. */
export class StartedProcess {
  readonly name: string
  readonly exited: Promise<void>
  readonly #child: ChildProcess
  readonly #log: string
  #gone = false

  constructor({ name, command, args, env, cwd, logs }: Program) {
    this.name = name
    this.#log = join(logs, `${name}.log`)
    const log = openSync(this.#log, 'a')
    this.#child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
      ...(cwd !== undefined && { cwd }),
    })
    closeSync(log)
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve(this.#left()))
      this.#child.once('error', () => resolve(this.#left()))
    })
  }

  /** Waits until `check` holds; fails when the program ends first or time runs out. */
  async ready(check: () => Promise<boolean>, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!(await check().catch(() => false))) {
      if (this.#gone) throw new Error(`${this.name} ended before it was ready\n${this.#lastWords()}`)
      if (performance.now() > deadline) {
        throw new Error(`${this.name} was not ready within ${withinMs / 1000} s\n${this.#lastWords()}`)
      }
      await pause(30)
    }
  }

  /** Asks it to end, and insists after a grace period. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    const insist = setTimeout(() => this.signal('SIGKILL'), graceMs)
    await this.exited
    clearTimeout(insist)
  }

  /** Signals the whole group. */
  signal(signal: NodeJS.Signals): void {
    if (this.#gone || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch {
      // it ended between the check and the signal
    }
  }

  #left(): void {
    this.signal('SIGKILL') // what it may have left behind in its group
    this.#gone = true
  }

  #lastWords(): string {
    return readFileSync(this.#log, 'utf8').slice(-2_000)
  }
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
