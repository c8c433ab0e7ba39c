import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** A block of code in a document. */
export interface Example {
  /** Of the first line of the block, in the document. */
  readonly line: number
  readonly language: string
  readonly code: string
}

/** The blocks of code of a document that are in one of `languages`. */
export async function examplesIn(document: string, languages: readonly string[]): Promise<Example[]> {
  const text = await readFile(join(root, document), 'utf8')
  return [...text.matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```$/gm)]
    .map(({ 1: language = '', 2: code = '', index }) => ({
      line: text.slice(0, index).split('\n').length + 1,
      language,
      code,
    }))
    .filter(({ language }) => languages.includes(language))
}

/** The files that a document has its readers make: blocks whose first line names the file in a comment. */
export async function filesIn(document: string): Promise<ReadonlyMap<string, string>> {
  const examples = await examplesIn(document, ['js', 'jsx', 'ts', 'tsx', 'html'])
  return new Map(
    examples.flatMap(({ code }) => {
      const [, name] = /^(?:\/\/|<!--) ([\w.-]+\.\w+)/.exec(code) ?? []
      return name === undefined ? [] : [[name, code] as const]
    }),
  )
}
