import type { Publication } from '../protocol/replies.ts'
import { entryTexts } from '../events/internal-events.ts'
import type { SeqRange } from '../events/log-of.ts'

/** How many entries a page has. */
export function countEntries(page: string): number {
  let count = page === '' ? 0 : 1
  for (let at = page.indexOf('\n'); at >= 0; at = page.indexOf('\n', at + 1)) count++
  return count
}

/**
 * The entries of a page within a range; undefined when the text is no page. A page of old history is one text, as
 * Postgres writes and Redis keeps it: one entry per line, in the order of seqs, and in it between tabs the seq, its
 * author and client as JSON, and the entry as it was stored. JSON text has neither tabs nor newlines of its own, so
 * such a page is only split, and no more of it is parsed than was asked for.
 */
export function decodePage(page: string, { first, last }: SeqRange, texts = entryTexts): Publication[] | undefined {
  if (page === '') return []
  const entries: Publication[] = []
  for (const line of page.split('\n')) {
    const offset = Number.parseInt(line, 10)
    if (Number.isNaN(offset)) return undefined
    if (offset < first || offset > last) continue
    const entry = decodeEntry(offset, line)
    if (entry === undefined) return undefined
    entries.push(texts === undefined ? entry : { ...entry, data: texts.read(entry.data) })
  }
  return entries
}

function decodeEntry(offset: number, line: string): Publication | undefined {
  const [, user, client, data] = line.split('\t')
  if (user === undefined || client === undefined || data === undefined) return undefined
  const [readUser, readClient] = [textIn(user), textIn(client)]
  if (readUser === undefined || readClient === undefined) return undefined
  return { offset, data, info: { user: readUser, client: readClient } }
}

/** The text of a JSON string; undefined when it is none. */
function textIn(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
