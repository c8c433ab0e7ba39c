import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Each class of actors that is deployed, with its source. */
const actors = new Map(
  [...read('wrangler.toml').matchAll(/class_name = "(\w+)"/g)].map(([, name = '']) => {
    const sources = globSync('durable-objects/*/*.ts', { cwd: root }).map(read)
    return [name, sources.find((text) => new RegExp(`export class ${name} `).test(text)) ?? '']
  }),
)

/** Classes whose number of actors follows from the configuration, as docs/design/open-actors.md lists them. */
const uncounted = [...read('docs/design/open-actors.md').matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name)

test('every actor takes a place among the open ones, or docs/design/open-actors.md says how many of its class there are', () => {
  expect(actors.size).toBeGreaterThan(10)
  const without = [...actors].filter(([, text]) => !/new OpenPlace\(/.test(text)).map(([name]) => name)
  expect(without.toSorted()).toEqual(uncounted.toSorted())
})
