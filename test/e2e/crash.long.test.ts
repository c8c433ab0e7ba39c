import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { killLauncher, killWorker, talkThrough } from '../support/e2e/crashes.ts'
import { makeGroup, Person } from '../support/e2e/people.ts'
import { lives } from '../support/e2e/processes.ts'
import { System } from '../support/e2e/system.ts'

let system: System | undefined
const folders: string[] = []

afterEach(async () => {
  system?.abandon()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

test.each(['serve', 'start'] as const)(
  'twelve kills of `%s` in one conversation lose nothing acknowledged and repeat nothing',
  async (launcher) => {
    system = await System.start({ launcher })
    await talkThrough(
      system,
      Array.from({ length: 6 }).flatMap(() => [killWorker, killLauncher]),
    )
  },
)

test.each(['serve', 'start'] as const)(
  'where nothing ends the orphans of a killed `%s`, the next start does, and goes on with what they had stored',
  async (launcher) => {
    system = await System.start({ launcher, env: { PATH: pathWithoutSetpriv() } })
    const alice = await new Person(system, 'alice').connect()
    const group = await makeGroup(system, ['alice'])
    await alice.send(group, 'c1', 'hello')
    const orphans = [system.workerPid]
    await system.killLauncher()
    expect(orphans.filter(lives)).toEqual(orphans)

    await system.startAgain()
    expect(orphans.filter(lives)).toEqual([])
    expect(await alice.send(group, 'c1', 'hello')).toMatchObject({ seq: 1, duplicate: true })
    alice.leave()
  },
)

/** As on a machine without setpriv: the first one found there fails. */
function pathWithoutSetpriv(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-e2e-path-'))
  writeFileSync(join(folder, 'setpriv'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  folders.push(folder)
  return `${folder}:${process.env['PATH']}`
}
