/**
 * Checks that documents name what exists: files and folders in code spans and links, headings that links point to, scripts
 * of `npm run`, and identifiers, variables and event names in code spans. Decisions and the changelog tell of the past and
 * are left out. Run by `npm run check`; prints `file:line: name` for each name that is not found and exits with 1.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '../..')

/** Names of the world outside, by document. */
const outside: Readonly<Record<string, readonly string[]>> = {
  'docs/clients.md': ['TestHandlePublishFossil', 'recovery.test.ts', 'debounce.test.ts', 'codec.bench.test.ts'],
}

/** What the repository holds. */
export interface Repository {
  /** Files that git knows, by their paths from the root. */
  readonly files: readonly string[]
  /** All words of its source files. */
  readonly words: ReadonlySet<string>
  /** The words of the files that declare a class or an interface, by its name. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>
  /** Names of the scripts of package.json. */
  readonly scripts: ReadonlySet<string>
  readonly read: (file: string) => string
}

/** The names in one document that the repository lacks, each as `line: name`. */
export function missingNames(document: string, repository: Repository): string[] {
  const paths = new Set(repository.files.flatMap(withFolders))
  const names = new Set(repository.files.map((file) => basename(file)))
  const lines = repository.read(document).split('\n')
  let isFenced = false
  return lines.flatMap((line, index) => {
    if (/^\s*```/.test(line)) isFenced = !isFenced
    const scripts = [...line.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, name = '']) => name)
    const missing = scripts.filter((name) => !repository.scripts.has(name)).map((name) => `npm run ${name}`)
    if (!isFenced) missing.push(...spansOf(line).filter((span) => !exists(span)), ...linksOf(line).filter(isBroken))
    return missing.filter((name) => !outside[document]?.includes(name)).map((name) => `${index + 1}: ${name}`)
  })

  function exists(span: string): boolean {
    const path = pathIn(span)
    if (path !== undefined) {
      if (path.includes('*') || path.includes('{') || path.includes('<')) return true
      const bare = path.replace(/\/$/, '')
      const inFolder = normalize(join(dirname(document), bare))
      return paths.has(bare) || paths.has(inFolder) || names.has(bare) || isWritten(bare) || endsAPath(bare)
    }
    const [owner = '', ...parts] = identifierIn(span)?.split('.') ?? []
    const words = repository.members.get(owner) ?? repository.words
    return owner === '' || (repository.words.has(owner) && parts.every((part) => words.has(part)))
  }

  /** A file that the code makes: `secrets.json`. */
  function isWritten(path: string): boolean {
    return !path.includes('/') && !path.endsWith('.ts') && path.split('.').every((word) => repository.words.has(word))
  }

  /** A part of the way to a file is enough: `connect/connect-handler.ts`. */
  function endsAPath(part: string): boolean {
    return part.includes('/') && [...paths].some((path) => path.endsWith(`/${part}`))
  }

  function isBroken(link: string): boolean {
    const [path = '', anchor] = link.split('#')
    const file = path === '' ? document : normalize(join(dirname(document), path)).replace(/\/$/, '')
    if (!paths.has(file)) return true
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(repository.read(file)).has(anchor)
  }
}

const withFolders = (file: string): string[] => {
  const parts = file.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

const spansOf = (line: string): string[] => [...line.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)

/** Targets of links to files of the repository. */
const linksOf = (line: string): string[] =>
  [...line.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^(?:[a-z]+:|\/)/.test(target))

const folders = 'src|durable-objects|local|sdk|web|test|bench|docs|migrations'
const endings = 'ts|js|mjs|sh|md|sql|toml|json|svg|html|css'

/** The path that a code span is; undefined when it is something else. */
function pathIn(span: string): string | undefined {
  const [first = ''] = span.split(/[\s:]/)
  if (new RegExp(`^(?:\\./)?(?:${folders})/[\\w./*{},<>-]*$`).test(first)) return first.replace(/^\.\//, '')
  return new RegExp(`^[\\w*{<-][\\w./*{}<>-]*\\.(?:${endings})$`).test(first) && !first.startsWith('/')
    ? first
    : undefined
}

/** A name of the code that a span is: in capitals and small letters (`ShardWriter`, `tenant.record()`), or a variable. */
function identifierIn(span: string): string | undefined {
  const name = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(\))?$/.exec(span)?.[1]
  if (name === undefined) return undefined
  const isOurs = name.split('.').some((part) => /[a-z0-9][A-Z]|^[A-Z][a-z]/.test(part) || /^[A-Z]\w*_[A-Z]/.test(part))
  return isOurs ? name : undefined
}

/** Anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
  const given = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id = '']) => id)
  return new Set([...headings, ...given])
}

/** Documents that speak of the present. */
export const isCurrent = (file: string): boolean =>
  file.endsWith('.md') && file !== 'CHANGELOG.md' && !file.startsWith('docs/decisions/')

export function repositoryAt(folder: string): Repository {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(folder, file)))
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  const sources = files.filter(
    (file) => /\.(?:ts|js|mjs|sql|toml|sh|json)$|^\.ci\//.test(file) && file !== 'package-lock.json',
  )
  const words = new Set<string>()
  const members = new Map<string, Set<string>>()
  for (const file of sources) {
    const text = read(file)
    const own = text.match(/[\w-]+/g) ?? []
    for (const word of own) for (const part of [word, ...word.split('-')]) words.add(part)
    for (const [, name = ''] of text.matchAll(/\b(?:class|interface) (\w+)/g))
      members.set(name, new Set([...(members.get(name) ?? []), ...own]))
  }
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'))
  return { files, words, members, scripts: new Set(Object.keys(scripts)), read }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const repository = repositoryAt(root)
  const missing = repository.files
    .filter(isCurrent)
    .flatMap((file) => missingNames(file, repository).map((name) => `${file}:${name}`))
  for (const line of missing) process.stderr.write(`${line}\n`)
  if (missing.length > 0) {
    process.stderr.write(`\n${missing.length} names in documents that do not exist; name what is there now.\n`)
    process.exitCode = 1
  }
}
