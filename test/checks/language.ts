/**
 * Fails on words that the writing rules exclude (STYLE.md): in comments, texts, names and documents. Run by `npm run check`;
 * prints `file:line: word: text` for each place and exits with 1. Also fails on an exception that no file needs any more.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

/** Persons where a role or a thing is meant. */
const persons = /\b(?:who(?:so|m)?ever|nobody|somebody|anybody|everybody|she|hers?|herself)\b/gi
/** Bounds are called `max…`. */
const bounds = /\bmost[A-Z]\w*/g

/**
 * Names that things of the product had once, as parts of identifiers: `#tellTold` and `toldAt` both contain `told`. What each is
 * called now is in docs/glossary.md.
 */
export const retiredNames: ReadonlySet<string> = new Set(
  `aftermath audience audiences books census crowd debt debts desk doorman errand facts heard house hurry keepsake ledger
  ledgers news newsletter owe owed owes paid parcel patience payer retell room rooms standing stranger strangers summons told
  turn turns turnstile unpaid untold usher visit visited visits whom why wish wishes`.split(/\s+/),
)
/** The same in comments, texts and documents, where the word has no other meaning there. */
export const retiredWords: readonly string[] =
  `aftermath audience audiences census debt debts desk doorman errand house keepsake ledger ledgers newsletter owe owed owes
  parcel parcels rooms summons turnstile usher`.split(/\s+/)
const retired = new RegExp(
  `\\b(?:${retiredWords.join('|')}|(?:chat|large|larger|busy|in a|of a|the|each) room)\\b`,
  'gi',
)
/** Where those hold. */
const product = /^(?:src|durable-objects|sdk|web|examples|bench)\//
const documents =
  /^(?:docs\/(?!decisions\/).*|README|ARCHITECTURE|SECURITY|STYLE|CONTRIBUTING)\.?\w*\.md$|^docs\/[^/]+\.md$/

/** Titles of tests are sentences with a subject: retired words, and clauses whose subject is a pronoun alone. */
const untitled =
  /^(?:who|whom|whose|what)\b|(?:\b(?:and|by|for|is|of|on|to|with)|[,:]) whom?\b|\b(?:told|untold|heard|unheard|hears?|hearing|owed?|owes|news|strangers?)\b/gi
const tests = /^test\/.*\.ts$/

/** Quoted words of others, by file: names of the world outside that contain such a word. */
const allowed: Readonly<Record<string, readonly RegExp[]>> = {
  'test/checks/language.ts': [/.*/],
  'test/checks/language.test.ts': [/.*/],
  LICENSE: [/.*/],
}

/**
 * Retired names that data or a version before depends on, by file: keys and columns of storage, fields of messages, methods that
 * actors of two versions call of one another during a deploy.
 */
export const kept: Readonly<Record<string, readonly string[]>> = {
  // The table `facts` of actors, and the field of a batch for Postgres.
  'src/events/projection.ts': ['facts', 'why'],
  'src/adapters/neon/write-batches.ts': ['facts'],
  'src/adapters/neon/changed-properties.ts': ['facts'],
  'durable-objects/shard-writer/shard-writer.ts': ['facts', 'why'],
  'durable-objects/conversation/projection.ts': ['facts', 'why', 'retell'],
  'src/cron/placements.ts': ['retell'],
  'durable-objects/tenant/tenant.ts': ['retell'],
  // Methods and fields of calls between actors.
  'durable-objects/contracts.ts': ['news', 'retell', 'standing', 'turn'],
  'durable-objects/activity/listening-gateways.ts': ['news'],
  'durable-objects/gateway/gateway.ts': ['news'],
  'src/inbox/notes.ts': ['news', 'turn'],
  'durable-objects/inbox-notes/erased-notes.ts': ['news'],
  'durable-objects/inbox-notes/inbox-notes.ts': ['news', 'standing', 'turn'],
  'durable-objects/inbox-notes/note-table.ts': ['news', 'turn'],
  'durable-objects/conversation/inbox-updater.ts': ['news'],
  'durable-objects/inbox/inbox.ts': ['news', 'turn'],
  'src/edge/server-api/connections.ts': ['standing'],
  'src/tenants/known.ts': ['standing'],
  'durable-objects/platform/platform.ts': ['standing'],
  'src/events/due.ts': ['turn'],
  'src/cron/connections.ts': ['turn'],
  'src/cron/sweep.ts': ['turn'],
  'durable-objects/platform/due-list.ts': ['turn'],
  // Fields of socket attachments, of a limiter's row, of jobs' and members' rows and of messages at QStash.
  'src/realtime/session.ts': ['heard'],
  'durable-objects/rate-limiter/limiter-store.ts': ['ledger'],
  'durable-objects/job-queue/sql-job-store.ts': ['visit'],
  'durable-objects/conversation/member-rows.ts': ['untold'],
  'src/adapters/qstash/client.ts': ['visit'],
  // What one call does to a saga.
  // Names of scenarios, by which results are kept, and a field of Socket.IO's sockets.
  'bench/load/scenarios.ts': ['room'],
  'bench/peers/glued-server.ts': ['rooms'],
  // The scenarios are named after chat rooms.
  'docs/benchmarks.md': ['rooms'],
}

/** `file:line: word: text` for each word in a file that the rules exclude; `used` collects the exceptions it needs. */
export function excludedWords(file: string, text: string, used: Set<string> = new Set()): string[] {
  const places = /\.(?:ts|js|mjs)$/.test(file) ? placesInCode(file, text) : linesOf(text)
  return places.flatMap((place) => wordsIn(file, place, used))
}

interface Place {
  readonly line: number
  readonly text: string
  readonly isName?: boolean
  readonly isTitle?: boolean
}

function wordsIn(file: string, { line, text, isName = false, isTitle = false }: Place, used: Set<string>): string[] {
  // Decisions are history: they are quoted, not rewritten.
  if (file.startsWith('docs/decisions/') || (allowed[file] ?? []).some((quote) => quote.test(text))) return []
  // A value of the API that customers write in their namespaces, and the stored name of the platform's actor.
  const prose = text.replaceAll(/(['"`])(?:nobody|house)\1/g, '')
  const words = [...(isName ? [] : prose.matchAll(persons)), ...prose.matchAll(bounds)].map(([word]) => word)
  if (isName && product.test(file)) words.push(...retiredPartsOf(text).filter((part) => !isKept(file, part, used)))
  if (!isName && (product.test(file) || documents.test(file)))
    words.push(...[...prose.matchAll(retired)].map(([word]) => word).filter((word) => !isKept(file, word, used)))
  if (isTitle && tests.test(file))
    words.push(...[...text.matchAll(untitled), ...text.matchAll(retired)].map(([word]) => word.trim()))
  return words.map((word) => `${file}:${line}: ${word}: ${text.trim().slice(0, 120)}`)
}

const retiredPartsOf = (name: string): string[] =>
  (name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [])
    .map((part) => part.toLowerCase())
    .filter((part) => retiredNames.has(part))

function isKept(file: string, word: string, used: Set<string>): boolean {
  if (!(kept[file] ?? []).includes(word.toLowerCase())) return false
  used.add(`${file} ${word.toLowerCase()}`)
  return true
}

function linesOf(text: string): Place[] {
  return text.split('\n').map((each, index) => ({ line: index + 1, text: each }))
}

/** Comments, string and template texts, and identifiers: what is prose or a name in a source file. */
function placesInCode(file: string, text: string): Place[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const places: Place[] = []
  const add = (start: number, end: number, as: Pick<Place, 'isName' | 'isTitle'> = {}) => {
    const first = source.getLineAndCharacterOfPosition(start).line + 1
    const lines = text.slice(start, end).split('\n')
    lines.forEach((each, index) => places.push({ line: first + index, text: each, ...as }))
  }
  const seen = new Set<number>()
  const collect = (node: ts.Node): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      if (seen.has(pos)) continue
      seen.add(pos)
      add(pos, end)
    }
    if (ts.isStringLiteralLike(node) && isTitle(node)) add(node.getStart(source) + 1, node.end - 1, { isTitle: true })
    else if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      add(node.getStart(source), node.end)
    else if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node))
      add(node.getStart(source), node.end, { isName: true })
    else if (ts.isTemplateExpression(node) && isTitle(node))
      add(node.getStart(source) + 1, node.end - 1, { isTitle: true })
    ts.forEachChild(node, collect)
  }
  collect(source)
  return places
}

/** The first argument of `test(…)`, `describe(…)` and their variants, such as `test.each(…)(…)`. */
function isTitle({ parent, pos }: ts.Node): boolean {
  if (!ts.isCallExpression(parent) || parent.arguments[0]?.pos !== pos) return false
  let called: ts.Expression = parent.expression
  while (ts.isCallExpression(called) || ts.isPropertyAccessExpression(called)) called = called.expression
  const isTable = ts.isPropertyAccessExpression(parent.expression) && !isVariant(parent.expression.name.text)
  return !isTable && ts.isIdentifier(called) && ['test', 'describe', 'it'].includes(called.text)
}

/** `test.each` and the like are given a table or a condition first, and the title in a second call. */
const isVariant = (name: string): boolean =>
  ['only', 'skip', 'todo', 'concurrent', 'sequential', 'fails'].includes(name)

function main(): void {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
    .split('\0')
    .filter((file) => /\.(?:ts|js|mjs|md|sql|toml|html|css|sh|yml)$|^\.ci\/run$/.test(file))
  const used = new Set<string>()
  const found = files.flatMap((file) => excludedWords(file, readFileSync(file, 'utf8'), used))
  const unneeded = Object.entries(kept).flatMap(([file, words]) =>
    words
      .filter((word) => !used.has(`${file} ${word}`))
      .map((word) => `${file}: ${word} is an exception that is not needed`),
  )
  for (const line of [...found, ...unneeded]) process.stderr.write(`${line}\n`)
  if (found.length + unneeded.length === 0) return
  process.stderr.write(
    `\n${found.length + unneeded.length} places; say the thing or the role instead ("the sender", "no subscriber", "max…"), by its name in docs/glossary.md.\n`,
  )
  process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
