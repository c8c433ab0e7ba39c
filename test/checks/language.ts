/**
 * Fails on words that the writing rules exclude (STYLE.md): in comments, texts, names of tests and documents. Run by
 * `npm run check`; prints `file:line: word: text` for each place and exits with 1.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import ts from 'typescript'

/** Persons where a role or a thing is meant. */
const persons = /\b(?:who(?:so)?ever|nobody|somebody|anybody|everybody|she|hers?|herself)\b/gi
/** Bounds are called `max…`. */
const bounds = /\bmost[A-Z]\w*/g

/** Quoted words of others, by file: names of the world outside that contain such a word. */
const allowed: Readonly<Record<string, readonly RegExp[]>> = {
  'test/checks/language.ts': [/.*/],
  LICENSE: [/.*/],
}

interface Place {
  readonly line: number
  readonly text: string
}

const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
  maxBuffer: 1 << 26,
})
  .split('\0')
  .filter((file) => /\.(?:ts|js|mjs|md|sql|toml|html|css|sh|yml)$|^\.ci\/run$/.test(file))

const found = files.flatMap((file) => {
  const text = readFileSync(file, 'utf8')
  const places = /\.(?:ts|js|mjs)$/.test(file) ? placesInCode(file, text) : linesOf(text)
  return places.flatMap((place) => wordsIn(file, place))
})

for (const line of found) process.stderr.write(`${line}\n`)
if (found.length > 0) {
  process.stderr.write(
    `\n${found.length} places; say the thing or the role instead ("the sender", "no subscriber", "max…").\n`,
  )
  process.exitCode = 1
}

function wordsIn(file: string, { line, text }: Place): string[] {
  // Decisions are history: they are quoted, not rewritten.
  if (file.startsWith('docs/decisions/') || (allowed[file] ?? []).some((quote) => quote.test(text))) return []
  // A value of the API that customers write in their namespaces.
  const prose = text.replaceAll(/(['"`])nobody\1/g, '')
  const words = [...prose.matchAll(persons), ...prose.matchAll(bounds)].map(([word]) => word)
  return words.map((word) => `${file}:${line}: ${word}: ${text.trim().slice(0, 120)}`)
}

function linesOf(text: string): Place[] {
  return text.split('\n').map((each, index) => ({ line: index + 1, text: each }))
}

/** Comments, string and template texts, and identifiers: what is prose or a name in a source file. */
function placesInCode(file: string, text: string): Place[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const places: Place[] = []
  const add = (start: number, end: number) => {
    const first = source.getLineAndCharacterOfPosition(start).line + 1
    const lines = text.slice(start, end).split('\n')
    lines.forEach((each, index) => places.push({ line: first + index, text: each }))
  }
  const seen = new Set<number>()
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      if (seen.has(pos)) continue
      seen.add(pos)
      add(pos, end)
    }
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      add(node.getStart(source), node.end)
    else if (ts.isIdentifier(node) && /^most[A-Z]/.test(node.text)) add(node.getStart(source), node.end)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return places
}
