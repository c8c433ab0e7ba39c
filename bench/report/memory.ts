import { readFile, readdir } from 'node:fs/promises'

/** Bytes of memory that the programs called `name` among our descendants hold for themselves (PSS, Linux). */
export async function memoryOf(name: string): Promise<number> {
  const ours = await descendants()
  const sizes = await Promise.all(ours.filter((each) => each.name === name).map(({ pid }) => pss(pid)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** One process of ours, as the kernel names it. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly name: string
}

/** This process, and all that it started or that those started. */
export async function descendants(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number)
  const all = (await Promise.all(pids.map(describe))).filter((each) => each !== undefined)
  const found = new Set([process.pid])
  for (let before = 0; before < found.size;) {
    before = found.size
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid)
  }
  return all.filter(({ pid }) => found.has(pid))
}

/** From `pid (name) state parent …`; undefined when it has ended meanwhile. */
async function describe(pid: number): Promise<Process | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const match = /^\d+ \((.*)\) \S (\d+)/s.exec(stat)
  return match === null ? undefined : { pid, name: match[1] ?? '', parent: Number(match[2]) }
}

async function pss(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024
}
