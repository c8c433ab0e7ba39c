import { readFile } from 'node:fs/promises'
import { descendants } from './memory.ts'

/** The kernel counts in hundredths of a second, on every Linux there is. */
const ticksPerSecond = 100

/**
 * Seconds of processor time that our descendants have used, but for those in `except` (Linux; NaN elsewhere). What a
 * request costs in it says more than a stop-watch on a machine that others use too.
 */
export async function cpuOfDescendants(except: readonly number[]): Promise<number> {
  const ours = await descendants().catch(() => undefined)
  if (ours === undefined) return Number.NaN
  const pids = ours.map(({ pid }) => pid).filter((pid) => pid !== process.pid && !except.includes(pid))
  const ticks = await Promise.all(pids.map(ticksOf))
  return ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond
}

/** The same in microseconds by the names of programs. */
export async function cpuByProgram(except: readonly number[]): Promise<Map<string, number>> {
  const used = new Map<string, number>()
  const ours = await descendants().catch(() => [])
  for (const { pid } of ours) {
    if (pid === process.pid || except.includes(pid)) continue
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'ended')).trim()
    used.set(name, (used.get(name) ?? 0) + ((await ticksOf(pid)) * 1e6) / ticksPerSecond)
  }
  return used
}

/** User and system time of a process and of its children that ended: the 14th to 17th field of its `stat`. */
async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
}
