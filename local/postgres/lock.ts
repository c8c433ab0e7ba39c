import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PostgresError } from './errors.ts'

const run = promisify(execFile)
/** How long an old server may take to finish before we call the folder taken, in milliseconds. */
const patience = 30_000

interface Holder {
  readonly parent: number
  readonly command: string
}

/**
 * Makes a data folder free to start on. A lock whose process is gone, is a zombie, or is now some other program is
 * removed: Postgres itself would refuse to start over a zombie's. A server orphaned by a killed launcher is asked to
 * stop and awaited. Throws {@link PostgresError} while someone else is really serving it.
 */
export async function freeLock(folder: string): Promise<void> {
  const lock = join(folder, 'postmaster.pid')
  const deadline = Date.now() + patience
  let asked = false
  for (;;) {
    const pid = await lockedBy(lock)
    const holder = pid === undefined ? undefined : await holderOf(pid, folder)
    if (pid === undefined || holder === undefined) return await rm(lock, { force: true })
    if (holder.parent === process.pid || Date.now() > deadline) {
      throw new PostgresError(
        `The data folder ${folder} is in use by another Postgres (process ${pid}): stop it first.`,
      )
    }
    if (holder.parent === 1 && !asked) {
      process.kill(pid, 'SIGINT')
      asked = true
    }
    await pause(50)
  }
}

/** The process id a folder's lock file names, if it has one. */
async function lockedBy(lock: string): Promise<number | undefined> {
  const pid = Number.parseInt((await readFile(lock, 'utf8').catch(() => '')).split('\n', 1)[0] ?? '', 10)
  return pid > 0 ? pid : undefined
}

/** The living Postgres of that id serving that folder; after a reboot the id may be anyone's. */
async function holderOf(pid: number, folder: string): Promise<Holder | undefined> {
  const holder = process.platform === 'linux' ? await fromProc(pid) : await fromPs(pid)
  return holder?.command.includes(folder) ? holder : undefined
}

async function fromProc(pid: number): Promise<Holder | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // "pid (name) state parent …"; the name may itself hold brackets and spaces.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (stat === '' || state === 'Z' || state === 'X') return undefined
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return { parent: Number(parent), command: command.replaceAll('\0', ' ') }
}

async function fromPs(pid: number): Promise<Holder | undefined> {
  const answer = await run('ps', ['-o', 'stat=,ppid=,command=', '-p', String(pid)]).catch(() => undefined)
  const [, state, parent, command] = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(answer?.stdout ?? '') ?? []
  if (state === undefined || command === undefined || state.startsWith('Z')) return undefined
  return { parent: Number(parent), command }
}
