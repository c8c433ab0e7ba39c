import { find } from 'linkifyjs'

/** A piece of a text: plain, or an address with where it leads. */
export interface Piece {
  readonly text: string
  readonly href?: string
}

/** East Asian punctuation and closing quotes: they end an address, though linkify takes some of them for a part of it. */
const breaks = /([\u2018-\u201F\u2026\u3000-\u303F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]+)/

/** Addresses with a scheme of the web or `www.`, and mail addresses. `file.sh` is a name, whatever domains there are. */
const isAddress = (type: string, text: string): boolean =>
  type === 'email' || (type === 'url' && /^(?:https?:\/\/|www\.|mailto:)/i.test(text))

/** The pieces of a text, in order; together they are the text. */
export function piecesOf(text: string): readonly Piece[] {
  return text.split(breaks).flatMap(linked)
}

function linked(text: string): Piece[] {
  const pieces: Piece[] = []
  let done = 0
  for (const { type, value, href, start, end } of find(text, { defaultProtocol: 'https' })) {
    if (!isAddress(type, value)) continue
    pieces.push({ text: text.slice(done, start) }, { text: value, href })
    done = end
  }
  pieces.push({ text: text.slice(done) })
  return pieces.filter((piece) => piece.text !== '')
}
