import { z } from 'zod'

/** Where a page of a search ended. */
export interface SearchCursor {
  /** Milliseconds since the epoch with a fraction: Postgres has microseconds. */
  readonly at: number
  readonly conversation: string
  readonly seq: number
  /** Of a search by relevance: the score of the last message, and the time that all its pages begin at. */
  readonly ranked?: { readonly score: number; readonly newest: number }
}

const shape = z.union([
  z.tuple([z.number(), z.string().max(100), z.int()]),
  z.tuple([z.number(), z.string().max(100), z.int(), z.number(), z.number()]),
])

/** The cursor as text, which means nothing to callers. */
export function encodeCursor({ at, conversation, seq, ranked }: SearchCursor): string {
  const parts = [at, conversation, seq, ...(ranked === undefined ? [] : [ranked.score, ranked.newest])]
  return btoa(JSON.stringify(parts)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Undefined for a text that is none of these cursors. */
export function decodeCursor(text: string): SearchCursor | undefined {
  try {
    const parsed = shape.safeParse(JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))))
    if (!parsed.success) return undefined
    const [at, conversation, seq, score, newest] = parsed.data
    return {
      at,
      conversation,
      seq,
      ...(score === undefined || newest === undefined ? {} : { ranked: { score, newest } }),
    }
  } catch {
    return undefined
  }
}
