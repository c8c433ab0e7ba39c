import { expect } from 'vitest'
import { Crowd } from './crowd.ts'
import { familyOf, lives } from './processes.ts'
import type { System } from './system.ts'
import { until } from './until.ts'

/** A way to kill a system, which is down afterwards. */
export type Crash = (system: System) => Promise<void>

/** `kill -9` of the Worker's process. */
export const killWorker: Crash = (system) => system.killWorker()

/** `kill -9` of the launcher: the kernel ends the rest with it. */
export const killLauncher: Crash = async (system) => {
  const family = familyOf(system.launcherPid).map(({ pid }) => pid)
  await system.killLauncher()
  await until('nothing is left of it', () => !family.some(lives))
}

/** Four people talk in three conversations through all of these crashes; then what they saw is held against the log. */
export async function talkThrough(system: System, crashes: readonly Crash[]): Promise<void> {
  const crowd = new Crowd(system)
  try {
    await crowd.gather(['alice', 'bob', 'carol', 'dave'], 3)
    crowd.talk()
    for (const crash of crashes) {
      await crowd.hasSaid(100)
      await crash(system)
      await system.startAgain()
    }
    await crowd.hasSaid(100)
    await crowd.hush()
    expect(await crowd.verdict()).toEqual([])
  } finally {
    crowd.disperse()
  }
}
