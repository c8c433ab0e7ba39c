import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { LocalError } from './local-error.ts'

const run = promisify(execFile)

/** How long a killed process may take to be gone, in milliseconds. */
const patience = 30_000

/** How to run workerd so that it does not outlive us: a program that becomes it, and what that has to know. */
export interface LeashedWorkerd {
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  /** The process id, once it was started. */
  pid(): Promise<number | undefined>
}

/** workerd that the kernel ends when we are killed, where it can; elsewhere the next start on this folder ends it. */
export async function leashWorkerd(dataDir: string): Promise<LeashedWorkerd> {
  const leash = ['setpriv', '--pdeathsig', 'KILL']
  const leashed = await run('setpriv', [...leash.slice(1), 'true']).then(
    () => true,
    () => false,
  )
  return {
    program: join(import.meta.dirname, 'run-workerd.sh'),
    env: {
      PARLEY_WORKERD_NOTE: noteIn(dataDir),
      PARLEY_WORKERD: workerdBinary(),
      PARLEY_LEASH: leashed ? leash.join(' ') : '',
    },
    pid: async () => (await readNote(dataDir))?.pid,
  }
}

/**
 * Ends the workerd that a killed launcher left behind on this folder: it would hold the port and the actors' files.
 * Throws {@link LocalError} when its launcher still lives, since two systems on one folder would ruin it.
 */
export async function endLeftover(dataDir: string): Promise<void> {
  const note = await readNote(dataDir)
  if (note === undefined) return
  const deadline = Date.now() + patience
  for (;;) {
    const parent = await parentOf(note.pid, noteIn(dataDir))
    if (parent === undefined) return
    if (parent === note.parent)
      throw new LocalError(
        `Parley already runs on ${dataDir} (process ${parent}): stop it first, or choose another folder with PARLEY_DATA.`,
      )
    if (Date.now() > deadline) throw new LocalError(`the workerd left behind as process ${note.pid} does not end.`)
    process.kill(note.pid, 'SIGKILL')
    await pause(20)
  }
}

/** Settles when the process is gone. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await pause(500, undefined, { ref: false })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const noteIn = (dataDir: string) => join(dataDir, 'workerd.pid')

async function readNote(dataDir: string): Promise<{ readonly pid: number; readonly parent: number } | undefined> {
  const text = await readFile(noteIn(dataDir), 'utf8').catch(() => '')
  const [, pid, parent] = /^(\d+) (\d+)\n/.exec(text) ?? []
  return pid === undefined ? undefined : { pid: Number(pid), parent: Number(parent) }
}

/** The parent of our process, undefined when it is gone. Ids are given out again: only ours has `mark` in its environment. */
async function parentOf(pid: number, mark: string): Promise<number | undefined> {
  return process.platform === 'linux' ? await fromProc(pid, mark) : await fromPs(pid, mark)
}

async function fromProc(pid: number, mark: string): Promise<number | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  if (!environment.split('\0').includes(`PARLEY_WORKERD_NOTE=${mark}`)) return undefined
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // "pid (name) state parent …"; the name may itself hold brackets and spaces.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return stat === '' || state === 'Z' || state === 'X' ? undefined : Number(parent)
}

async function fromPs(pid: number, mark: string): Promise<number | undefined> {
  const answer = await run('ps', ['eww', '-o', 'ppid=,command=', '-p', String(pid)]).catch(() => undefined)
  const [, parent, command] = /^\s*(\d+)\s+(.*)/s.exec(answer?.stdout ?? '') ?? []
  return (command ?? '').includes(`PARLEY_WORKERD_NOTE=${mark}`) ? Number(parent) : undefined
}

/** The package exports the path of its binary for this platform. */
function workerdBinary(): string {
  const exported: unknown = createRequire(import.meta.url)('workerd')
  return z.object({ default: z.string() }).parse(exported).default
}
