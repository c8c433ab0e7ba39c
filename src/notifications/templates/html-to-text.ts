/** Elements whose text is not shown. */
const hidden = new Set(['head', 'style', 'script', 'title', 'template', 'noscript'])
/** Elements that stand on lines of their own, and how many line ends are around them. */
const blocks: Readonly<Record<string, number>> = {
  address: 1,
  article: 1,
  blockquote: 2,
  body: 1,
  div: 1,
  dl: 2,
  dd: 1,
  dt: 1,
  figure: 2,
  footer: 1,
  form: 1,
  h1: 2,
  h2: 2,
  h3: 2,
  h4: 2,
  h5: 2,
  h6: 2,
  header: 1,
  html: 1,
  hr: 2,
  li: 1,
  main: 1,
  nav: 1,
  ol: 2,
  p: 2,
  pre: 2,
  section: 1,
  table: 2,
  tr: 1,
  ul: 2,
}
const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  laquo: '«',
  raquo: '»',
  bull: '•',
  middot: '·',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  sect: '§',
  deg: '°',
  times: '×',
  zwnj: '\u200C',
  zwj: '\u200D',
  shy: '',
}

/**
 * The text of an HTML e-mail, for readers without HTML: links with their addresses, items of lists with a dash, images by
 * their `alt`. It looks at each character once and builds no tree: what an e-mail looks like is not kept, what it says is.
 */
export function htmlToText(html: string): string {
  const out = new TextLines()
  let at = 0
  let link: { readonly href: string; readonly from: number } | undefined
  while (at < html.length) {
    const open = html.indexOf('<', at)
    const end = open === -1 ? html.length : open
    if (end > at) out.text(decodedEntities(html.slice(at, end)))
    if (open === -1) break
    const next = html.charAt(open + 1)
    if (!/[a-z/!?]/i.test(next)) {
      // A "<" that begins no tag is text.
      out.text('<')
      at = open + 1
      continue
    }
    if (html.startsWith('<!--', open)) {
      at = after(html, '-->', open + 4)
      continue
    }
    at = tagEnd(html, open)
    const tag = html.slice(open + 1, at - 1)
    const [, slash, name = ''] = /^(\/?)([a-z][a-z0-9]*)/i.exec(tag) ?? []
    const element = name.toLowerCase()
    if (hidden.has(element)) {
      if (slash === '' && !tag.endsWith('/')) at = after(html, '>', closed(html, element, at))
    } else if (element === 'br') out.lines(1, true)
    else if (element === 'img' && slash === '') out.text(attribute(tag, 'alt'))
    else if (element === 'td' || element === 'th') out.text(' ')
    else if (element === 'a') {
      if (link !== undefined) out.link(link.href, link.from)
      link = slash === '' ? { href: attribute(tag, 'href'), from: out.length } : undefined
    } else {
      const lines = Object.hasOwn(blocks, element) ? blocks[element] : undefined
      if (lines !== undefined) out.lines(lines)
      if (element === 'li' && slash === '') out.text('- ')
    }
  }
  if (link !== undefined) out.link(link.href, link.from)
  return out.toString()
}

/** Lines in the making, with white space as a browser shows it. */
class TextLines {
  #text = ''
  #wanted = 0
  #needsSpace = false

  get length(): number {
    return this.#text.length
  }

  text(given: string): void {
    const words = given.replaceAll(/[\t\n\r\f ]+/g, ' ')
    if (words === '' || (words === ' ' && (this.#text === '' || this.#wanted > 0))) return
    if (words === ' ') {
      this.#needsSpace = true
      return
    }
    if (this.#wanted > 0) this.#text += '\n'.repeat(this.#text === '' ? 0 : this.#wanted)
    else if (this.#text !== '' && (this.#needsSpace || words.startsWith(' ')) && !/\s$/.test(this.#text.slice(-1)))
      this.#text += ' '
    this.#wanted = 0
    this.#needsSpace = words.length > 1 && words.endsWith(' ') && words !== '- '
    this.#text += words === '- ' ? words : words.trim()
  }

  /** Ends the line, with at most one empty line before what follows. */
  lines(count: number, isFurther = false): void {
    this.#wanted = Math.min(2, isFurther ? this.#wanted + count : Math.max(this.#wanted, count))
    this.#needsSpace = false
  }

  /** Writes where a link leads, unless its text says so. */
  link(href: string, from: number): void {
    const shown = this.#text.slice(from).trim()
    if (!/^(?:https?:|mailto:|tel:)/i.test(href)) return
    if (shown === href || `mailto:${shown}` === href || `tel:${shown}` === href) return
    this.text(shown === '' ? ` ${href}` : ` (${href})`)
  }

  toString(): string {
    return this.#text.trim()
  }
}

/** Behind the name of the tag that ends an element, in letters of either case. */
function closed(html: string, element: string, from: number): number {
  const closing = new RegExp(`</${element}`, 'gi')
  closing.lastIndex = from
  return closing.test(html) ? closing.lastIndex : html.length
}

function after(text: string, part: string, from: number): number {
  const found = text.indexOf(part, from)
  return found === -1 ? text.length : found + part.length
}

/** Behind the ">" that ends a tag; those in quoted attributes do not. */
function tagEnd(html: string, open: number): number {
  let quote = ''
  for (let at = open + 1; at < html.length; at++) {
    const character = html.charAt(at)
    if (quote !== '') {
      if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '>') return at + 1
  }
  // A quote that is not closed ends with the next ">".
  return after(html, '>', open)
}

function attribute(tag: string, name: string): string {
  const [, double, single, bare] =
    new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag) ?? []
  return decodedEntities(double ?? single ?? bare ?? '').trim()
}

/** A text whose character references are replaced: those by number, and the usual names. */
export const decodedEntities = (text: string): string =>
  text.includes('&')
    ? text.replaceAll(
        /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));/gi,
        (all: string, decimal?: string, hex?: string, name?: string) => {
          if (name !== undefined)
            return Object.hasOwn(named, name.toLowerCase()) ? (named[name.toLowerCase()] ?? all) : all
          const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
          return code > 0 && code <= 0x10_ffff && !(code >= 0xd800 && code < 0xe000)
            ? String.fromCodePoint(code)
            : '\uFFFD'
        },
      )
    : text
