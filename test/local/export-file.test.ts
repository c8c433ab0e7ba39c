import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportTo } from '../../local/transfer/export-file.ts'

const total = 23
const perPage = 4
/** A line of which the last block of a file has only a part. */
const long = 'x'.repeat(40_000)

/** An export of numbered lines; the cursor is how many came before. */
function deployment() {
  const asked: (string | undefined)[] = []
  const page = async (cursor: string | undefined): Promise<string> => {
    asked.push(cursor)
    const from = Number(cursor ?? 0)
    const to = Math.min(total, from + perPage)
    const lines = Array.from({ length: to - from }, (_, n) => JSON.stringify({ type: 'entry', n: from + n, long }))
    const mark =
      to === total ? { type: 'end', version: 1, lines: to } : { type: 'page', version: 1, next: String(to), lines: to }
    return [...lines, JSON.stringify(mark), ''].join('\n')
  }
  return { page, asked }
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-export-'))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

const numbersIn = async (file: string): Promise<number[]> => {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.flatMap((line) => {
    const { type, n }: { type: string; n: number } = JSON.parse(line)
    return type === 'entry' ? [n] : []
  })
}
const all = Array.from({ length: total }, (_, n) => n)

describe('an export to a file', () => {
  test('has every line once, and a repeated run of a whole one asks for nothing', async () => {
    const file = join(folder, 'whole')
    const { page, asked } = deployment()
    expect(await exportTo(file, page)).toBe(total)
    expect(await numbersIn(file)).toEqual(all)
    const before = asked.length
    expect(await exportTo(file, page)).toBe(total)
    expect(asked).toHaveLength(before)
  })

  test('goes on after a page that failed, from the page before it', async () => {
    const file = join(folder, 'failing')
    const { page, asked } = deployment()
    let calls = 0
    const failing = async (cursor: string | undefined) => {
      if (++calls % 3 === 0) throw new Error('no network')
      return await page(cursor)
    }
    for (let runs = 0; runs < 10; runs++)
      if (
        await exportTo(file, failing).then(
          () => true,
          () => false,
        )
      )
        break
    expect(await numbersIn(file)).toEqual(all)
    expect(new Set(asked).size).toBe(asked.length)
  })

  test('loses and doubles no line, wherever the process was killed while it wrote', async () => {
    const file = join(folder, 'cut')
    const { page } = deployment()
    await exportTo(file, page)
    const whole = await readFile(file)
    for (let part = 0; part <= 16; part++) {
      await writeFile(file, whole.subarray(0, Math.floor((whole.length * part) / 16)))
      await exportTo(file, page)
      expect(whole.equals(await readFile(file))).toBe(true)
    }
  })

  test('cuts off what is no whole page at its end', async () => {
    const file = join(folder, 'garbage')
    const { page } = deployment()
    await exportTo(file, page)
    const whole = await readFile(file)
    const lines = whole.toString().split('\n')
    await writeFile(file, lines.slice(0, 5).join('\n') + '\n')
    await appendFile(file, '{"type":"page","ver')
    await exportTo(file, page)
    expect(whole.equals(await readFile(file))).toBe(true)
  })
})
