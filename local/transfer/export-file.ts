import { open, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { LocalError } from '../local-error.ts'

/** The last line of a page: where the export goes on, or that it is over. */
const mark = z.discriminatedUnion('type', [
  z.object({ type: z.literal('page'), next: z.string(), lines: z.number() }),
  z.object({ type: z.literal('end'), lines: z.number() }),
])
export type Mark = z.output<typeof mark>

/** A page as the deployment answers it: whole lines, the last of which is its mark. */
export type FetchPage = (cursor: string | undefined) => Promise<string>

const tailBytes = 65_536

/**
 * Writes an export to a file, page after page, and goes on where an earlier run ended: what follows the last whole page in the file is cut
 * off first, so that no line is there twice. `noted` is called after each page. Returns how many lines the export has.
 */
export async function exportTo(
  path: string,
  fetchPage: FetchPage,
  noted: (mark: Mark) => void = () => undefined,
): Promise<number> {
  const file = await open(path, 'a+')
  try {
    let last = await lastMark(file)
    await file.truncate(last?.end ?? 0)
    while (last?.mark.type !== 'end') {
      const page = await fetchPage(last?.mark.next)
      const read = markOf(page.trimEnd().split('\n').at(-1) ?? '')
      if (read === undefined || !page.endsWith('\n'))
        throw new LocalError('the deployment answered with no page of an export')
      await file.appendFile(page)
      await file.sync()
      last = { mark: read, end: 0 }
      noted(read)
    }
    return last.mark.lines
  } finally {
    await file.close()
  }
}

/** The mark of the last whole page of a file, and where it ends. */
async function lastMark(file: FileHandle): Promise<{ readonly mark: Mark; readonly end: number } | undefined> {
  const { size } = await file.stat()
  // Lines are read backwards, a block more each time, until one is a mark.
  for (let bytes = tailBytes; ; bytes *= 4) {
    const start = Math.max(0, size - bytes)
    const block = Buffer.alloc(size - start)
    await file.read(block, 0, block.length, start)
    let end = block.lastIndexOf(10)
    while (end >= 0) {
      const before = end === 0 ? -1 : block.lastIndexOf(10, end - 1)
      // The first line of a block may be cut.
      if (before < 0 && start > 0) break
      const found = markOf(block.subarray(before + 1, end).toString())
      if (found !== undefined) return { mark: found, end: start + end + 1 }
      end = before
    }
    if (start === 0) return undefined
  }
}

function markOf(line: string): Mark | undefined {
  if (!line.startsWith('{"type":"page",') && !line.startsWith('{"type":"end",')) return undefined
  try {
    return mark.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}
