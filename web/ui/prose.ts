import { h } from './dom.ts'
import { piecesOf } from './pieces.ts'

/** Text as nodes: addresses become links, everything else stays text. */
export const prose = (text: string): readonly (Node | string)[] =>
  piecesOf(text).map((piece) => (piece.href === undefined ? piece.text : link(piece.text, piece.href)))

const link = (text: string, href: string): Node =>
  h('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, text)
