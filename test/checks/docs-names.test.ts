import { expect, test } from 'vitest'
import { anchorsOf, missingNames, type Repository } from './docs-names.ts'

const documents: Readonly<Record<string, string>> = { 'docs/limits.md': '# Limits\n\n## What a tenant may set\n' }

const repository = (text: string): Repository => ({
  files: ['README.md', 'docs/limits.md', 'src/limits/decide.ts', 'durable-objects/topic/topic.ts'],
  words: new Set(['Topic', 'execute', 'decide', 'secrets', 'json', 'elsewhere']),
  members: new Map([['Topic', new Set(['Topic', 'execute'])]]),
  scripts: new Set(['start']),
  read: (file) => (file === 'README.md' ? text : (documents[file] ?? '')),
})

const missingIn = (text: string) => missingNames('README.md', repository(text))

test('a document that names what exists passes the check', () => {
  const text = [
    '`src/limits/decide.ts`, `limits/decide.ts`, `decide.ts`, `src/limits/`, `src/**/*.ts` and `secrets.json`',
    '`Topic.execute`, `Topic`, a word like `limit`, a value like `"x"` and a route like `/v1/limits`',
    '[limits](docs/limits.md#what-a-tenant-may-set), [elsewhere](https://example.com/x.md), `npm run start`',
  ].join('\n')
  expect(missingIn(text)).toEqual([])
})

test.each([
  ['a file that is gone', '`src/limits/decided.ts`', 'src/limits/decided.ts'],
  ['a file known by its name only', '`decided.ts`', 'decided.ts'],
  ['a folder that is gone', '`src/houses/`', 'src/houses/'],
  ['a type that is gone', '`TopicDesk`', 'TopicDesk'],
  ['a method of another class', '`Topic.elsewhere`', 'Topic.elsewhere'],
  ['a script that is gone', 'Run `npm run begin`.', 'npm run begin'],
  ['a link to a file that is gone', '[limits](docs/limit.md)', 'docs/limit.md'],
  ['a link to a heading that is gone', '[limits](docs/limits.md#what-nothing)', 'docs/limits.md#what-nothing'],
])('the check reports %s with its line', (_what, text, name) => {
  expect(missingIn(`# Read me\n\n${text}\n`)).toEqual([`3: ${name}`])
})

test('anchors of headings are those of GitHub', () => {
  expect([...anchorsOf('# One `two`, three\n## What happens when…\n')]).toEqual(['one-two-three', 'what-happens-when'])
})
