import { readFile } from 'node:fs/promises'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isMadeFrom, ofDirectory, ofShard, statementsOf, writtenStatements } from '../support/statements.ts'

// The plans of all of them on a million rows are looked at in test/adapters/plans.long.test.ts.

test('every statement of the Worker is in the list of those whose plans are looked at', async () => {
  const sent = [...(await statementsOf(ofShard)), ...(await statementsOf(ofDirectory))]
  const written = await writtenStatements()
  expect(written.length).toBeGreaterThan(35)
  const unlisted = written.filter((each) => !sent.some(({ query }) => isMadeFrom(query, each)))
  expect(unlisted.map(({ file, parts }) => `${file}: ${parts[0]?.trim().slice(0, 60)}`)).toEqual([])
})

test('no code outside of the adapters sends statements to Postgres', async () => {
  const root = join(import.meta.dirname, '../..')
  const senders: string[] = []
  for await (const file of glob('{src,durable-objects}/**/*.ts', { cwd: root })) {
    const isAdapter = file.startsWith(join('src', 'adapters', 'neon'))
    const text = await readFile(join(root, file), 'utf8')
    if (
      !isAdapter &&
      /@neondatabase|\b(?:db|database|reader|shard)\.query\(/.test(text.replace(/NeonDbError[^\n]*/, ''))
    )
      senders.push(file)
  }
  expect(senders).toEqual([])
})
