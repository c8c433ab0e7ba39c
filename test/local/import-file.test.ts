import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importFrom } from '../../local/transfer/import-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-import-'))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

interface Line {
  readonly type: string
  readonly conversation: string
  readonly n: number
  readonly bad?: boolean
}

/** A deployment that knows a line once, gives direct conversations another id, and may fail before or after it has taken a part. */
function deployment(failsAt: (call: number) => 'before' | 'after' | undefined = () => undefined) {
  const taken: Line[] = []
  let calls = 0
  const send = async (body: string): Promise<string> => {
    const failure = failsAt(++calls)
    if (failure === 'before') throw new Error('no network')
    const answer = { lines: 0, imported: 0, repeated: 0, skipped: 0, renamed: {} as Record<string, string> }
    let refused: { line: number; reason: string } | null = null
    for (const text of body.trimEnd().split('\n')) {
      const line: Line = JSON.parse(text)
      if (line.bad === true) {
        refused = { line: answer.lines + 1, reason: 'not good' }
        break
      }
      if (line.type === 'conversation') answer.renamed[line.conversation] = `new-${line.conversation}`
      answer.lines++
      if (taken.some(({ n }) => n === line.n)) answer.repeated++
      else answer.imported += taken.push(line) > 0 ? 1 : 0
    }
    if (failure === 'after') throw new Error('the answer was lost')
    return JSON.stringify({ ...answer, refused })
  }
  return { send, taken, calls: () => calls }
}

const lines = [
  { type: 'conversation', conversation: 'd1', properties: { type: 'direct' }, n: 0 },
  ...Array.from({ length: 1200 }, (_, place) => ({ type: 'entry', conversation: 'd1', n: place + 1 })),
]
const fileOf = async (name: string, all: readonly object[] = lines): Promise<string> => {
  const file = join(folder, name)
  await writeFile(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return file
}

describe('the import of a file', () => {
  test('sends every line once and in order, under the ids that conversations get', async () => {
    const { send, taken, calls } = deployment()
    expect(await importFrom(await fileOf('whole'), send)).toMatchObject({ lines: 1201, imported: 1201 })
    expect(taken.map(({ n }) => n)).toEqual(lines.map(({ n }) => n))
    expect(new Set(taken.slice(1).map(({ conversation }) => conversation))).toEqual(new Set(['new-d1']))
    expect(calls()).toBe(4)
  })

  test('goes on where it ended, whether a part or its answer was lost', async () => {
    const file = await fileOf('failing')
    const fates = ['before', undefined, 'after', undefined, 'before', 'after'] as const
    const { send, taken } = deployment((call) => fates[call - 1])
    for (let runs = 0; runs < 10; runs++) {
      const isDone = await importFrom(file, send).then(
        () => true,
        () => false,
      )
      if (isDone) break
    }
    expect(taken.map(({ n }) => n)).toEqual(lines.map(({ n }) => n))
  })

  test('ends at a line that is refused, and names it by its place in the file', async () => {
    const all = [...lines.slice(0, 700), { type: 'entry', conversation: 'd1', n: -1, bad: true }, ...lines.slice(700)]
    const { send, taken } = deployment()
    await expect(importFrom(await fileOf('bad', all), send)).rejects.toThrow(/^line 701 of .*: not good$/)
    expect(taken).toHaveLength(700)
  })
})
