import { readdirSync, readFileSync } from 'node:fs'

/** A process as /proc tells it. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** Everything that runs on this machine, zombies left out. */
export function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const found = Number.isInteger(pid) ? processOf(pid) : undefined
    return found === undefined ? [] : [found]
  })
}

/** A process and all that it started, directly or not. */
export function familyOf(pid: number): Process[] {
  const all = processes()
  const family = all.filter((one) => one.pid === pid)
  for (const member of family) family.push(...all.filter(({ parent }) => parent === member.pid))
  return family
}

/** Processes whose command line or environment names `word`, such as a data folder. */
export const naming = (word: string): Process[] =>
  processes().filter(({ pid, command }) => {
    if (pid === process.pid) return false
    return command.includes(word) || read(`/proc/${pid}/environ`).includes(word)
  })

export const lives = (pid: number): boolean => processOf(pid) !== undefined

/** Proportional share of memory in MB: shared pages are counted once over all who share them. */
export function memoryOf(pid: number): number {
  const rollup = read(`/proc/${pid}/smaps_rollup`)
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024
}

/** How many files and sockets a process has open. */
export const filesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** A process that may be gone already is ended by its id. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone already: that is what was wanted.
  }
}

function processOf(pid: number): Process | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // "pid (name) state parent …"; the name may itself hold brackets and spaces.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (stat === '' || state === 'Z' || state === 'X') return undefined
  return { pid, parent: Number(parent), command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
