import { afterEach, test } from 'vitest'
import { killLauncher, killWorker, talkThrough } from '../support/e2e/crashes.ts'
import { System } from '../support/e2e/system.ts'

let system: System | undefined

afterEach(() => system?.abandon())

test('kill -9 in mid-conversation, of workerd and of its launcher, loses nothing acknowledged and repeats nothing', async () => {
  system = await System.start()
  await talkThrough(system, [killWorker, killLauncher, killWorker])
})
