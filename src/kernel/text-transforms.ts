import { controls, strayDirections } from './text.ts'

/** A text with line feeds instead of the line ends of other systems. */
export const withLineFeeds = (text: string): string => (text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text)

/**
 * A typed or pasted text without what would be refused: control characters, broken Unicode, stray marks of direction.
 */
export function repairedText(typed: string): string {
  const text = withLineFeeds(typed).replaceAll(new RegExp(controls, 'g'), '').toWellFormed()
  const stray = strayDirections(text)
  return stray.size === 0 ? text : Array.from(text.split(''), (unit, at) => (stray.has(at) ? '' : unit)).join('')
}

let graphemes: Intl.Segmenter | undefined
/** The number of UTF-16 units looked at behind a cut: a grapheme of emoji has about thirty. */
const graphemeLength = 64

/** The beginning of a text, at most `length` UTF-16 units, cut between two graphemes. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  graphemes ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  const cut = graphemes.segment(text.slice(0, length + graphemeLength)).containing(length)?.index ?? length
  if (cut > 0) return text.slice(0, cut).toWellFormed()
  const units = text.slice(0, length)
  return units.isWellFormed() ? units : units.slice(0, -1)
}
