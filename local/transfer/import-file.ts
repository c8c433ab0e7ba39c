import { createReadStream } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { LocalError } from '../local-error.ts'

const maxLines = 500
const maxChars = 200_000

const answer = z.object({
  lines: z.number(),
  imported: z.number(),
  repeated: z.number(),
  skipped: z.number(),
  renamed: z.record(z.string(), z.string()),
  refused: z.object({ line: z.number(), reason: z.string() }).nullable(),
})

/** How far the import of a file is: the lines that are done, and the ids that conversations have got. */
const progress = z.object({ lines: z.number(), imported: z.number(), renamed: z.record(z.string(), z.string()) })
export type Progress = z.output<typeof progress>

/**
 * Sends the lines of a file in order, some hundred at a time, and notes how far it is in a file beside it, so that a later run goes on there. A
 * line that is refused ends the run. `noted` is called after each part.
 */
export async function importFrom(
  path: string,
  send: (lines: string) => Promise<string>,
  noted: (progress: Progress) => void = () => undefined,
): Promise<Progress> {
  let done = await readProgress(path)
  let part: string[] = []
  let chars = 0
  const flush = async () => {
    if (part.length === 0) return
    const { lines, imported, renamed, refused } = answer.parse(JSON.parse(await send(`${part.join('\n')}\n`)))
    done = { lines: done.lines + lines, imported: done.imported + imported, renamed: { ...done.renamed, ...renamed } }
    await writeProgress(path, done)
    if (refused !== null) throw new LocalError(`line ${done.lines + 1} of ${path}: ${refused.reason}`)
    part = []
    chars = 0
    noted(done)
  }
  let number = 0
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    // Empty lines are no lines for the deployment either.
    if (line.trim() === '' || ++number <= done.lines) continue
    if (part.length >= maxLines || chars + line.length > maxChars) await flush()
    const renamed = withId(line, done.renamed)
    part.push(renamed)
    chars += renamed.length
    // What follows needs the id that this line gets.
    if (line.includes('"type":"conversation"') && line.includes('"direct"')) await flush()
  }
  await flush()
  return done
}

/** A line with the id that its conversation has got. */
function withId(line: string, renamed: Readonly<Record<string, string>>): string {
  const [, id = ''] = /"conversation":"([^"]+)"/.exec(line) ?? []
  const other = renamed[id]
  return other === undefined ? line : line.replace(`"conversation":"${id}"`, `"conversation":"${other}"`)
}

const progressOf = (path: string): string => `${path}.progress`

async function readProgress(path: string): Promise<Progress> {
  try {
    return progress.parse(JSON.parse(await readFile(progressOf(path), 'utf8')))
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
      return { lines: 0, imported: 0, renamed: {} }
    throw new LocalError(`${progressOf(path)} is not readable; delete it to begin anew`)
  }
}

/** Appears whole: the process may be killed at any time. */
async function writeProgress(path: string, done: Progress): Promise<void> {
  await writeFile(`${progressOf(path)}.new`, JSON.stringify(done))
  await rename(`${progressOf(path)}.new`, progressOf(path))
}
