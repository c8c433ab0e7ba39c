/** A part of an export: lines of NDJSON, and where the following part begins; null at the end. */
export interface ExportedPart {
  readonly lines: readonly string[]
  readonly next: string | null
}

/** One kind of what is exported. `cursor` is "" for the first part, and then `next` of the part before. */
export interface ExportSource {
  readonly name: string
  readonly read: (cursor: string, limit: number) => Promise<ExportedPart>
}

/** A page of an export: `next` is the cursor of the following page, null at the end; `total` counts the lines of all pages up to here. */
export interface ExportPage {
  readonly lines: readonly string[]
  readonly next: string | null
  readonly total: number
}

/** A cursor that no page has given. */
export class BadCursor extends Error {}

/** A page ends after so many characters, and after so many parts were read for it. */
const maxChars = 1_000_000
const maxParts = 32
/** The most lines that are asked of one part. */
const linesPerPart = 200

/**
 * Reads a page: part after part of each source, until there are `limit` lines or `isOver` says that its time is over. A cursor is
 * `<lines so far>:<source>:<cursor of the source>`, so that nothing of an export is stored. A part that fails ends the page before it,
 * and is asked for again with the next one; what the first part throws is thrown.
 */
export async function exportPage(
  sources: readonly ExportSource[],
  cursor: string | undefined,
  { limit, isOver }: { readonly limit: number; readonly isOver: () => boolean },
): Promise<ExportPage> {
  const start = positionOf(sources, cursor)
  const lines: string[] = []
  let { place, inner } = start
  let chars = 0
  for (let parts = 0; parts < maxParts && lines.length < limit && chars < maxChars && !isOver(); parts++) {
    const source = sources[place]
    if (source === undefined) break
    let part: ExportedPart
    try {
      part = await source.read(inner, Math.min(linesPerPart, limit - lines.length))
    } catch (thrown) {
      if (parts === 0 || thrown instanceof BadCursor) throw thrown
      break
    }
    lines.push(...part.lines)
    chars += part.lines.reduce((sum, line) => sum + line.length, 0)
    if (part.next === null) [place, inner] = [place + 1, '']
    else inner = part.next
  }
  const total = start.lines + lines.length
  const following = sources[place]
  return { lines, total, next: following === undefined ? null : `${total}:${following.name}:${inner}` }
}

function positionOf(sources: readonly ExportSource[], cursor: string | undefined) {
  if (cursor === undefined) return { lines: 0, place: 0, inner: '' }
  const [, lines = '', name = '', inner = ''] = /^(\d{1,15}):([a-z-]+):(.*)$/s.exec(cursor) ?? []
  const place = sources.findIndex((source) => source.name === name)
  if (lines === '' || place < 0) throw new BadCursor('not a cursor of this export; give `next` of the page before')
  return { lines: Number(lines), place, inner }
}

/**
 * The names after `after` of several lists, each in the order of its characters and without repeats, as one such list of at most `limit`.
 * What follows the last name that a full page gave is left for the next call.
 */
export async function mergedNames(
  lists: readonly ((after: string, limit: number) => Promise<readonly string[]>)[],
  after: string,
  limit: number,
): Promise<string[]> {
  const pages = await Promise.all(lists.map(async (list) => await list(after, limit)))
  const names = [...new Set(pages.flat())].sort()
  return names.slice(0, limit)
}
