import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { recreateAlarms, recreateGateways } from '../../local/gateways.ts'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'parley-gateways-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** An actor's file with a table in it; damaged from its first byte or in the middle when asked to. */
function actorFile(actor: string, id: string, damage?: 'head' | 'middle'): string {
  const file = join(folder, 'actors', actor, `${id.repeat(64)}.sqlite`)
  mkdirSync(dirname(file), { recursive: true })
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE kept (value TEXT); CREATE INDEX by_value ON kept (value)')
  for (let n = 0; n < 200; n++) database.exec(`INSERT INTO kept VALUES ('${'x'.repeat(100)}${n}')`)
  database.close()
  if (damage === 'head') writeFileSync(file, 'not a database', { flag: 'r+' })
  if (damage === 'middle') writeFileSync(file, Buffer.alloc(8192, 7), { flag: 'r+' })
  return file
}

test('a damaged gateway is set aside; whole gateways and other damaged actors stay where they are', async () => {
  const damaged = actorFile('parley-Gateway', 'a', 'head')
  actorFile('parley-Gateway', 'b')
  actorFile('parley-Conversation', 'c', 'head')
  actorFile('parley-Gateway', 'd', 'middle')
  const aside = await recreateGateways(folder)
  expect(aside).toHaveLength(2)
  expect(aside[0]).toMatch(new RegExp(`^${damaged}\\.damaged-\\d+$`))
  const left = readdirSync(join(folder, 'actors'), { recursive: true, encoding: 'utf8' })
  const names = left.filter((name) => name.endsWith('.sqlite')).map((name) => name.split('/')[1]?.[0])
  expect(names.toSorted()).toEqual(['b', 'c'])
  expect(await recreateGateways(folder)).toEqual([])
})

test('a folder without actors has no damaged gateway', async () => {
  expect(await recreateGateways(join(folder, 'nothing'))).toEqual([])
})

test('a damaged file of alarms is set aside, and the actors beside it stay', async () => {
  const beside = actorFile('parley-Inbox', 'a')
  const [damaged, whole] = [
    join(dirname(beside), 'metadata.sqlite'),
    join(folder, 'actors/parley-Topic/metadata.sqlite'),
  ]
  writeFileSync(damaged, 'damaged')
  mkdirSync(dirname(whole), { recursive: true })
  new DatabaseSync(whole).close()
  const [aside, ...others] = await recreateAlarms(folder)
  expect(aside).toMatch(new RegExp(`^${damaged}\\.damaged-\\d+$`))
  expect(others).toEqual([])
  expect(readdirSync(dirname(beside)).filter((name) => name.endsWith('.sqlite'))).toEqual([`${'a'.repeat(64)}.sqlite`])
})
