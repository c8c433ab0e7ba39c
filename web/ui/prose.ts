import { Marked, type Token, type Tokens } from 'marked'
import { h } from './dom.ts'
import { piecesOf } from './pieces.ts'

const off = () => undefined
/** What people write in a chat: no headings, tables or HTML, and addresses as `piecesOf` finds them. */
const marked = new Marked({ gfm: true, breaks: false })
marked.use({
  tokenizer: {
    heading: off,
    lheading: off,
    html: off,
    tag: off,
    def: off,
    table: off,
    hr: off,
    url: off,
    autolink: off,
    link: off,
    reflink: off,
  },
})

/** Whether there is anything to format; what people line up with spaces stays as it is. */
const isFormatted = (text: string): boolean => /[*_`~]|^ {0,3}(?:>|[-+] |\d{1,9}[.)] )/m.test(text)

/**
 * Text as elements: code, bold, italics, strikes, quotes and lists (Markdown), and addresses as links. Everything else is text; nothing that
 * people write becomes HTML.
 */
export function prose(text: string): readonly Node[] {
  if (!isFormatted(text)) return [h('p', {}, ...linked(text))]
  return marked.lexer(text).flatMap(block)
}

function block(token: Token): Node[] {
  switch (token.type) {
    case 'space':
      return []
    case 'code':
      return [h('pre', { tabindex: 0, dir: 'ltr' }, h('code', {}, token.text))]
    case 'blockquote':
      return [h('blockquote', {}, ...(token.tokens ?? []).flatMap(block))]
    case 'list':
      return [list(token)]
    case 'paragraph':
    case 'text':
      return [h('p', {}, ...inline(token))]
    default:
      return [h('p', {}, ...linked(token.raw.trimEnd()))]
  }
}

function list(token: Tokens.Generic): HTMLElement {
  const items: readonly Tokens.ListItem[] = token['items']
  const shown = items.map((item) => h('li', {}, ...item.tokens.flatMap(itemPart)))
  return token['ordered'] === true ? h('ol', { start: Number(token['start']) || 1 }, ...shown) : h('ul', {}, ...shown)
}

/** The words of an item stand in it without a paragraph of their own. */
const itemPart = (token: Token): readonly (Node | string)[] =>
  token.type === 'text' || token.type === 'paragraph' ? inline(token) : block(token)

const inline = (token: Token): readonly (Node | string)[] =>
  'tokens' in token && token.tokens !== undefined ? token.tokens.flatMap(span) : linked(textOf(token))

function span(token: Token): readonly (Node | string)[] {
  switch (token.type) {
    case 'strong':
      return [h('strong', {}, ...inline(token))]
    case 'em':
      return [h('em', {}, ...inline(token))]
    case 'del':
      return [h('s', {}, ...inline(token))]
    case 'codespan':
      return [h('code', {}, token.text)]
    case 'br':
      return ['\n']
    default:
      return linked(textOf(token))
  }
}

const textOf = (token: Token): string => ('text' in token && typeof token.text === 'string' ? token.text : token.raw)

const linked = (text: string): readonly (Node | string)[] =>
  piecesOf(text).map((piece) => (piece.href === undefined ? piece.text : link(piece.text, piece.href)))

const link = (text: string, href: string): Node =>
  h('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, text)
