import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** All source of a folder as one text. */
async function sourceOf(folder: string): Promise<string> {
  const names = (await readdir(join(root, folder), { recursive: true })).filter((name) => name.endsWith('.ts'))
  return (await Promise.all(names.map((name) => readFile(join(root, folder, name), 'utf8')))).join('\n')
}

const pages = (await readdir(join(root, 'docs/flows'))).filter((name) => name.endsWith('.md'))

const lists = ['docs/security-checklist.md', 'docs/design/proof.md']

test.each(lists)('every test that %s names exists', async (page) => {
  const text = await readFile(join(root, page), 'utf8')
  const named = [...text.matchAll(/`(test\/[\w./-]+)`/g)].flatMap(([, file]) => file ?? [])
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
})

test.each(pages)('every file and function that docs/flows/%s names exists', async (page) => {
  const source = `${await sourceOf('src')}\n${await sourceOf('durable-objects')}`
  const text = await readFile(join(root, 'docs/flows', page), 'utf8')
  const words = [...text.matchAll(/`([^`]+)`/g)].flatMap(([, word]) => word ?? [])
  const files = words.filter((word) => /^[\w./-]+\.(?:ts|md|sql)$/.test(word))
  const lost = files.filter((file) => !existsSync(join(root, file)) && !existsSync(join(root, 'durable-objects', file)))
  expect(lost).toEqual([])

  const names = words.filter((word) => /^[A-Za-z]+(?:\.[A-Za-z]+)?$/.test(word))
  const unknown = names.filter((name) => !name.split('.').every((part) => new RegExp(`\\b${part}\\b`).test(source)))
  expect(unknown).toEqual([])
})
