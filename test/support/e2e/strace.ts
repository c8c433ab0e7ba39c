import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { until } from './until.ts'
import { kill } from './processes.ts'

/** What is to happen to a disk's promises: strace's words for it. */
export type Disk = `delay_exit=${number}` | 'error=EIO'

/** Why a process's disk cannot be slowed or broken here; undefined when it can. */
export function whyNoStrace(): string | undefined {
  const tried = spawnSync('strace', ['-e', 'trace=none', 'true'], { encoding: 'utf8' })
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : `strace may not trace here: ${tried.stderr.trim()}`
}

/** A hand on a running process's fsync and fdatasync. */
export class DiskFault {
  readonly #strace: ChildProcess
  #said = ''

  private constructor(strace: ChildProcess) {
    this.#strace = strace
    strace.stderr?.on('data', (chunk) => (this.#said += String(chunk)))
  }

  /** From now on every fsync and fdatasync of the process meets this fault. */
  static async on(pid: number, disk: Disk): Promise<DiskFault> {
    const syncs = 'fsync,fdatasync'
    const args = ['-f', '-p', String(pid), '-e', `trace=${syncs}`, '-e', `inject=${syncs}:${disk}`]
    const fault = new DiskFault(spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] }))
    process.once('exit', fault.#end)
    await until('strace is attached', () => fault.#said.includes('attached'))
    return fault
  }

  /** How often the process asked for its data to be safe. */
  get syncs(): number {
    return this.#said.split('sync(').length - 1
  }

  /** Lets the process go on as before. */
  async lift(): Promise<void> {
    process.removeListener('exit', this.#end)
    const ended = new Promise((resolve) => this.#strace.once('exit', resolve))
    this.#strace.kill('SIGINT')
    await ended
  }

  readonly #end = () => {
    if (this.#strace.pid !== undefined) kill(this.#strace.pid, 'SIGKILL')
  }
}
