import { Marked } from 'marked'

const marked = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${slugOf(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`
    },
    table(token) {
      const cells = (row: readonly { readonly tokens: (typeof token.header)[number]['tokens'] }[], tag: string) =>
        `<tr>${row.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('')}</tr>`
      const head = token.header.some(({ text }) => text !== '') ? cells(token.header, 'th') : ''
      return `<div class="scroll"><table>${head}${token.rows.map((row) => cells(row, 'td')).join('')}</table></div>\n`
    },
  },
})

/** The HTML of Markdown that is Parley's own; not for texts of tenants, since HTML in it is kept. */
export const htmlOf = (markdown: string): string => marked.parse(markdown, { async: false })

/** The id of a heading, as GitHub makes it, so that links in docs/ lead to the same places here. */
const slugOf = (heading: string): string =>
  heading
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')

/** A table of Markdown; cells are texts in which `code` is marked. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cellOf).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** What would end the cell or begin an HTML element is escaped; inside of code only the former means something. */
const cellOf = (text: string): string =>
  text
    .replaceAll(/\s+/g, ' ')
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replaceAll(/<(?!a id=|\/a>)/g, '\\<') : part).replaceAll('|', '\\|'))
    .join('`')
