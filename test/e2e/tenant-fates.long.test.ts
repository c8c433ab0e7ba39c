import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, test } from 'vitest'
import { killLauncher, killWorker } from '../support/e2e/crashes.ts'
import { System } from '../support/e2e/system.ts'
import { TenantFates } from '../support/e2e/tenant-fates.ts'

let system: System | undefined
afterEach(() => system?.abandon())

/** Numbers between 0 and 1 that follow from a seed. */
function chance(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32
}

test.each([
  ['confirmed', 1],
  ['reversed', 2],
  ['confirmed', 3],
  ['reversed', 4],
] as const)(
  'a move that is %s and a deletion go on through eight kills at any moment, and nothing is lost, twice or left (seed %i)',
  async (outcome, seed) => {
    const random = chance(seed)
    system = await System.start()
    const fates = await TenantFates.begin(system)
    try {
      let isDecided = false
      for (let kills = 0; kills < 8; kills++) {
        // The times of a move in which it waits are left out: they would take most of the kills.
        await pause(random() * (kills < 4 ? 1500 : 4000))
        const { state } = await fates.move('is shown', () => true)
        if (!isDecided && (state === 'awaiting-confirmation' || (outcome === 'reversed' && random() < 0.3))) {
          await fates.decide(outcome === 'confirmed' ? 'confirm' : 'reverse')
          isDecided = true
          await pause(random() * 300)
        }
        await (random() < 0.5 ? killWorker : killLauncher)(system)
        await system.startAgain()
      }
      if (!isDecided) {
        await fates.move('waits for its confirmation', ({ state }) => state === 'awaiting-confirmation')
        await fates.decide(outcome === 'confirmed' ? 'confirm' : 'reverse')
      }
      await fates.expectRight(outcome)
      await system.terminate()
      fates.expectNoWords()
    } finally {
      fates.crowd.disperse()
    }
  },
)
