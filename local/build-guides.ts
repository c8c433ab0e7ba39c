import { glob, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A page of the documentation as the server has it. */
export interface BuiltGuide {
  /** Its place below `/docs/guides/`: `tokens`, `design/wire`. */
  readonly name: string
  readonly title: string
  /** Its first sentence. */
  readonly summary: string
  /** Its links lead to guides of the server or to other hosts. */
  readonly markdown: string
}

/** What a newcomer reads first. */
const first = ['docs/quickstart.md', 'sdk/README.md']

/** All pages of docs/ that say how to use and run Parley and how it works, and that of the SDK. */
export async function buildGuides(): Promise<BuiltGuide[]> {
  const found: string[] = []
  for await (const file of glob(['docs/*.md', 'docs/design/*.md', 'docs/flows/*.md'], { cwd: root })) found.push(file)
  const files = [...new Set([...first, ...found.toSorted()])]
  const names = new Map(files.map((file) => [file, nameOf(file)]))
  return await Promise.all(files.map(async (file) => guideOf(file, await readFile(join(root, file), 'utf8'), names)))
}

const nameOf = (file: string): string =>
  file === 'sdk/README.md' ? 'sdk' : file.replace(/^docs\//, '').replace(/\.md$/, '')

/** The guide that a file is, with links only to files that are guides, too; `names` has those by their paths. */
export function guideOf(file: string, text: string, names: ReadonlyMap<string, string>): BuiltGuide {
  const markdown = outsideOfFences(text, (line) =>
    line
      .replaceAll(/!\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (link, label: string, target: string) => {
        if (/^(?:[a-z]+:|#|\/)/.test(target)) return link
        const [path = '', fragment] = target.split('#')
        const name = names.get(normalize(join(dirname(file), path)))
        return name === undefined
          ? label
          : `[${label}](/docs/guides/${name}${fragment === undefined ? '' : `#${fragment}`})`
      }),
  )
  const [, title = file] = /^# (.+)$/m.exec(markdown) ?? []
  return { name: nameOf(file), title, summary: firstSentence(markdown), markdown }
}

function outsideOfFences(text: string, change: (line: string) => string): string {
  let isFenced = false
  return text
    .split('\n')
    .map((line) => {
      if (/^\s*```/.test(line)) isFenced = !isFenced
      return isFenced ? line : change(line)
    })
    .join('\n')
}

/** The first sentence below the title, without markup. */
function firstSentence(markdown: string): string {
  const paragraphs = markdown.split(/\n{2,}/).map((part) => part.replaceAll(/^#.*$/gm, '').trim())
  const prose = paragraphs.find((part) => /^[\p{L}`*[]/u.test(part)) ?? ''
  const plain = prose
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
    .replaceAll(/\s+/g, ' ')
  return /^.*?[.:](?=\s|$)/.exec(plain)?.[0].replace(/:$/, '.') ?? plain
}
