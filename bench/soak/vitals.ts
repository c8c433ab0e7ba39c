import { readdir, readFile } from 'node:fs/promises'
import { descendants, type Process } from '../report/memory.ts'

/** What a part of the system holds at a moment, all its processes together. */
export interface Vitals {
  readonly processes: number
  /**
   * KiB of the process alone: PSS without shared segments. Postgres' buffers and SQLite's index files fill up to a
   * configured bound, and index files that are never closed show in the descriptors.
   */
  readonly memoryKiB: number
  readonly sharedKiB: number
  readonly descriptors: number
  readonly threads: number
  readonly cpuSeconds: number
}

/** The parts of a running system by what they are, and the load itself, so that its growth is not taken for theirs. */
export const partNames = ['workerd', 'launcher', 'postgres', 'load'] as const
export type PartName = (typeof partNames)[number]

/** Looks at every process we started, and at ourselves. */
export async function vitals(): Promise<Readonly<Record<PartName, Vitals>>> {
  const sums = { workerd: nothing, launcher: nothing, postgres: nothing, load: nothing }
  for (const process of await descendants()) {
    const part = partOf(process)
    const seen = await look(process.pid)
    if (seen !== undefined) sums[part] = add(sums[part], seen)
  }
  return sums
}

const nothing: Vitals = { processes: 0, memoryKiB: 0, sharedKiB: 0, descriptors: 0, threads: 0, cpuSeconds: 0 }

/** Whatever else the launcher starts counts as its own. */
function partOf({ pid, name }: Process): PartName {
  if (pid === process.pid) return 'load'
  if (name === 'workerd' || name === 'postgres') return name
  return 'launcher'
}

/** Undefined when it ended meanwhile. */
async function look(pid: number): Promise<Vitals | undefined> {
  try {
    const [memory, status, stat, descriptors] = await Promise.all([
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readdir(`/proc/${pid}/fd`),
    ])
    const shared = field(memory, 'Pss_Shmem')
    return {
      processes: 1,
      memoryKiB: field(memory, 'Pss') - shared,
      sharedKiB: shared,
      descriptors: descriptors.length,
      threads: field(status, 'Threads'),
      cpuSeconds: cpuTicks(stat) / ticksPerSecond,
    }
  } catch {
    return undefined
  }
}

const field = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)

/** Linux counts in hundredths wherever it runs (USER_HZ). */
const ticksPerSecond = 100

/** utime and stime are the 14th and 15th field; the second is in brackets and may hold anything. */
function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const add = (a: Vitals, b: Vitals): Vitals => ({
  processes: a.processes + b.processes,
  memoryKiB: a.memoryKiB + b.memoryKiB,
  sharedKiB: a.sharedKiB + b.sharedKiB,
  descriptors: a.descriptors + b.descriptors,
  threads: a.threads + b.threads,
  cpuSeconds: a.cpuSeconds + b.cpuSeconds,
})
