import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/adapters/neon/connect.ts'
import { newestMigration } from '../../src/adapters/neon/newest-migration.ts'
import { selectMigration } from '../../src/adapters/neon/select-migration.ts'
import { loadConfig } from '../../src/config.ts'
import { embeddedShards } from '../../local/embedded-shards.ts'
import { readSettings } from '../../local/settings.ts'
import { startStandIns } from '../../local/stand-ins.ts'
import { makeSecrets } from '../support/e2e/secrets.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-shards-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('--shards', () => {
  test.each([
    [['--shards', '0'], /--shards is "0"; it must be a whole number from 1 to 32/],
    [['--shards', 'many'], /--shards is "many"/],
    [['--shards'], /--shards/],
    [['--shard', '4'], /--shard is not an option here/],
    [['4'], /4 is not an option here/],
  ])('is refused with what is wrong: %j', (args, reason) => {
    expect(() => readSettings({ PARLEY_DATA: folder }, args)).toThrow(reason)
  })

  test('is for the embedded Postgres only', () => {
    const real = { DATABASE_URL_DIRECTORY: 'postgresql://a:b@c/d', PARLEY_PROFILE: 'dev' }
    expect(() => readSettings(real, ['--shards', '4'])).toThrow('npm run shards')
  })

  test('never takes a shard away that was made before', async () => {
    const own = mkdtempSync(join(folder, 'counts-'))
    expect(await embeddedShards(own, undefined)).toEqual(['shard0', 'shard1'])
    expect(await embeddedShards(own, 3)).toEqual(['shard0', 'shard1', 'shard2'])
    expect(await embeddedShards(own, 1)).toHaveLength(3)
    expect(await embeddedShards(own, undefined)).toHaveLength(3)
  })

  test('starts with so many databases, migrated and reachable by the Worker, as are those created later', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'))
    const standIns = await startStandIns(
      readSettings({ PARLEY_DATA: dataDir }, ['--shards', '4']),
      makeSecrets(dataDir),
    )
    try {
      const config = loadConfig(standIns.vars)
      expect(config.shards.map(({ name }) => name)).toEqual(['shard0', 'shard1', 'shard2', 'shard3'])
      for (const { name } of config.shards) {
        const database = connect(config, config.databaseUrl(`DATABASE_URL_${name.toUpperCase()}`))
        expect([name, await selectMigration(database)]).toEqual([name, newestMigration.shard])
      }
      const [server = ''] = /postgres:\/\/postgres@[^/]+/.exec(standIns.notes.join('\n')) ?? []
      const owner = Object.assign(new URL(server), {
        password: readFileSync(join(dataDir, 'postgres/password'), 'utf8').trim(),
      })
      const session = new Client(`${owner.href}/postgres`)
      await session.connect()
      await session.query('CREATE DATABASE later')
      await session.end()
      const at = (name: string) =>
        connect(config, config.directoryUrl.replace('directory.local/directory', `${name}.local/${name}`))
      expect(await selectMigration(at('later'))).toBe(0)
      await expect(selectMigration(at('postgres'))).rejects.toThrow('does not exist')
    } finally {
      await standIns.stop()
    }
  })
})
