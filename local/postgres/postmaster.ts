import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'
import { PostgresError } from './errors.ts'
import { settings } from './settings.ts'

/** What one server process is started with. */
export interface Launch {
  readonly binaries: Binaries
  readonly account: Account
  readonly folder: string
  readonly port: number
  readonly log: (line: string) => void
}

/** One running server process. */
export interface Postmaster {
  /** Settles when the process has ended, with its last words. Never rejects. */
  readonly ended: Promise<string>
  /** Ends it: a fast shutdown, then harder ways if it lingers. Resolves when it is gone. */
  stop(): Promise<void>
}

/** Milliseconds before each harder signal: fast shutdown, immediate shutdown (recovers on next start), kill. */
const harder = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
] as const

/** Starts the server process; it is not ready for connections yet. */
export function spawnPostmaster({ binaries, account, folder, port, log }: Launch): Postmaster {
  const program = [join(binaries.bin, 'postgres'), '-D', folder, ...settings({ port, major: binaries.major })]
  const [file = '', ...args] = [...account.prefix, ...program]
  // Its own process group: Ctrl-C must reach the launcher only, which then stops primary and standby in order.
  const child = spawn(file, args, { ...account.spawn, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const last: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    last.push(line)
    if (last.length > 20) last.shift()
    if (telling(line)) log(line)
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', () => resolve(last.join('\n')))
  })
  const signal = (name: NodeJS.Signals) => child.kill(name)
  return { ended, stop: () => stopBy(signal, ended) }
}

/** Routine lines only serve to explain a failed start; being turned away while it starts or stops is routine too. */
function telling(line: string): boolean {
  return /^(?:FATAL|PANIC):/.test(line) && !/is starting up|not yet accepting|is shutting down|terminating/.test(line)
}

async function stopBy(signal: (name: NodeJS.Signals) => boolean, ended: Promise<string>): Promise<void> {
  for (const [name, patience] of harder) {
    signal(name)
    if (await within(ended, patience)) return
  }
  throw new PostgresError('A Postgres process did not end even when killed.')
}

async function within(ended: Promise<string>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const inTime = await Promise.race([ended.then(() => true), late])
  clearTimeout(timer)
  return inTime
}
