import { afterEach, test } from 'vitest'
import { killLauncher, killWorker } from '../support/e2e/crashes.ts'
import { System } from '../support/e2e/system.ts'
import { TenantFates } from '../support/e2e/tenant-fates.ts'

let system: System | undefined
afterEach(() => system?.abandon())

test('a move and a deletion go on after kill -9 of the whole system: every message is there once, and nothing is left of the deleted tenant', async () => {
  system = await System.start()
  const fates = await TenantFates.begin(system)
  try {
    await fates.move('copies rows', ({ rows }) => rows.copied > 0)
    await fates.holdUpSwitch()
    await fates.isFenced()
    await killLauncher(system)
    await system.startAgain()

    await fates.move('waits for its confirmation', ({ state }) => state === 'awaiting-confirmation')
    await fates.decide('confirm')
    await fates.deletion('erases', ({ stores }) => stores.some(({ erased }) => erased > 0))
    await killWorker(system)
    await system.startAgain()

    await fates.expectRight('confirmed')
    await system.terminate()
    fates.expectNoWords()
  } finally {
    fates.crowd.disperse()
  }
})
