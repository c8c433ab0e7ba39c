import { wordsOf } from './words.ts'

/** A part of a text, and from where to where in it words are that were looked for (UTF-16, the end not included). */
export interface Excerpt {
  readonly text: string
  readonly marks: readonly (readonly [start: number, end: number])[]
  /** Whether something is left out at the beginning, and at the end. */
  readonly isCut: readonly [boolean, boolean]
}

const maxLength = 600
/** What is shown in front of the first mark of a text that is cut. */
const before = 100

/** The part of a text around the first of the words at `positions`. Marks that touch are one. */
export function excerptOf(text: string, positions: readonly number[]): Excerpt {
  const wanted = new Set(positions)
  const marks: [number, number][] = []
  for (const { position, start, end } of wordsOf(text)) {
    if (!wanted.has(position)) continue
    const last = marks.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else marks.push([start, end])
  }
  if (text.length <= maxLength) return { text, marks, isCut: [false, false] }
  const first = whole(text, Math.max(0, Math.min((marks[0]?.[0] ?? 0) - before, text.length - maxLength)))
  const last = whole(text, Math.min(text.length, first + maxLength))
  const shown = marks.flatMap(([start, end]): [number, number][] =>
    start >= last || end <= first ? [] : [[Math.max(start, first) - first, Math.min(end, last) - first]],
  )
  return { text: text.slice(first, last), marks: shown, isCut: [first > 0, last < text.length] }
}

/** The same place, or the one before where it would divide a character. */
const whole = (text: string, at: number): number => (/[\uDC00-\uDFFF]/u.test(text.charAt(at)) ? at - 1 : at)
