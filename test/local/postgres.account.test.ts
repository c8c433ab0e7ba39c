import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startPostgres } from '../../local/postgres/start.ts'

// Postgres refuses uid 0, so there is something to prove only as root.
describe.skipIf(process.getuid?.() !== 0)('as root', () => {
  let dataDir: string
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-pg-'))
  })
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }))

  const runAs = async (account: 'namespace' | 'nobody', folder = dataDir) => {
    const postgres = await startPostgres({ dataDir: folder, databases: ['shard0'], account })
    await postgres.stop()
    return (await stat(join(folder, 'replica'))).uid
  }

  test('a data folder changes hands between both ways of shedding power', async () => {
    expect(await runAs('nobody')).toBe(65_534)
    expect(await runAs('namespace')).toBe(0)
    expect(await runAs('nobody')).toBe(65_534)
  })

  test('a folder closed to others is no obstacle to a user namespace', async () => {
    const inner = join(dataDir, 'closed', 'data')
    await mkdir(join(dataDir, 'closed'), { mode: 0o700 })
    expect(await runAs('namespace', inner)).toBe(0)
    await rm(inner, { recursive: true, force: true })
    await expect(runAs('nobody', inner)).rejects.toThrow(
      /^Postgres cannot run as root, and the account 'nobody' cannot enter/,
    )
  })
})
