import { cpus, release, totalmem, type } from 'node:os'
import { pause } from '../processes.ts'

/** What the figures were taken on: without it they mean nothing. */
export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  kernel: string
  node: string
}

/** Describes the machine the bench runs on. */
export function thisMachine(): Machine {
  const cores = cpus()
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
  }
}

/**
 * How many cores are busy right now. Taken while nothing of the bench runs, it tells what others take from both sides:
 * figures from a busy machine are good for ratios at best.
 */
export async function busyCores(): Promise<number> {
  const before = coreTimes()
  await pause(500)
  const after = coreTimes()
  return ((after.busy - before.busy) / (after.all - before.all)) * cpus().length
}

function coreTimes(): { busy: number; all: number } {
  const times = cpus().map((core) => core.times)
  const idle = times.reduce((sum, each) => sum + each.idle, 0)
  const all = times.reduce((sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle, 0)
  return { busy: all - idle, all }
}
