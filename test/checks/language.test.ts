import { describe, expect, test } from 'vitest'
import { excludedWords, kept, retiredNames, retiredWords } from './language.ts'

const folders = ['src/jobs', 'durable-objects/topic', 'sdk', 'web/views', 'bench/load']
const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

describe('the language check', () => {
  test.each([...retiredNames])('refuses `%s` in identifiers of the product', (name) => {
    const texts = [
      `const ${name} = 1`,
      `class Some${capital(name)}Table {}`,
      `class A { #${name}At = 0 }`,
      `f({ ${name}Of: 1 })`,
    ]
    for (const folder of folders)
      for (const text of texts) expect(excludedWords(`${folder}/made-up.ts`, text), text).toHaveLength(1)
  })

  test.each(retiredWords)('refuses "%s" in comments and texts of the product, and in documents', (word) => {
    for (const folder of folders) {
      expect(excludedWords(`${folder}/made-up.ts`, `/** Keeps the ${word} of a user. */\nf()`)).toHaveLength(1)
      expect(excludedWords(`${folder}/made-up.ts`, `f('the ${word}')`)).toHaveLength(1)
    }
    for (const page of ['docs/made-up.md', 'docs/design/made-up.md', 'README.md', 'ARCHITECTURE.md', 'SECURITY.md'])
      expect(excludedWords(page, `Some ${word} of a user.`)).toHaveLength(1)
  })

  test('refuses persons and bounds named `most` everywhere', () => {
    expect(excludedWords('bench/made-up.ts', '// Whoever calls\nf(mostBytes)')).toHaveLength(2)
    expect(excludedWords('test/made-up.ts', '// nobody, somebody, she\nf()')).toHaveLength(3)
  })

  test.each([
    'who was removed goes on',
    'what is kept',
    'is for whom it is',
    'is told once more',
    'a stranger hears nothing',
  ])('refuses "%s" as the title of a test', (title) => {
    const texts = [
      `test('${title}', () => {})`,
      `describe('${title}', () => {})`,
      `test.skip('${title}', () => {})`,
      `test.each(rows)('${title}', () => {})`,
      `describe.skipIf(busy)('${title}', () => {})`,
      `test(\`${title} \${ms} ms\`, () => {})`,
    ]
    for (const text of texts) expect(excludedWords('test/made-up.test.ts', text), text).not.toEqual([])
    expect(excludedWords('test/made-up.test.ts', `f('${title}')`)).toEqual([])
  })

  test('accepts a title with a subject', () => {
    const title = 'a removed member who came back receives messages, and the error says who may'
    expect(excludedWords('test/made-up.test.ts', `test('${title}', () => {})`)).toEqual([])
  })

  test('accepts the same words in decisions, which are history, and where another meaning is meant', () => {
    expect(excludedWords('docs/decisions/0001-made-up.md', 'The Doorman and the House owe a debt.')).toEqual([])
    expect(
      excludedWords('src/made-up.ts', '/** Returns each in turn; has room for another. */\nconst returned = f()'),
    ).toEqual([])
  })

  test('accepts a name that data depends on in its own file only', () => {
    const [file, name] = ['src/realtime/session.ts', 'heard']
    expect(kept[file]).toContain(name)
    expect(excludedWords(file, `f({ ${name}: 1 })`)).toEqual([])
    expect(excludedWords('src/made-up.ts', `f({ ${name}: 1 })`)).toHaveLength(1)
  })
})
