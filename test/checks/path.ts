import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { actorsFile } from '../sim/worker-code.ts'

/** A source file of which a function ran. */
export interface FileOnPath {
  readonly file: string
  readonly lines: number
  readonly functions: readonly string[]
}

/** A function that ran, by its place in the bundle. */
export interface FunctionRun {
  readonly name: string
  readonly start: number
}

const root = join(import.meta.dirname, '../..')

/** The functions of the deployed actors that run during `work`, by V8's precise coverage. The top level of a module does not count. */
export async function functionsDuring(work: () => Promise<void>): Promise<FunctionRun[]> {
  const profiler = new Session()
  profiler.connect()
  await profiler.post('Profiler.enable')
  await profiler.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await work()
  const { result } = await profiler.post('Profiler.takePreciseCoverage')
  profiler.disconnect()
  const functions = result.find(({ url }) => url === actorsFile)?.functions ?? []
  return functions.flatMap(({ functionName, ranges: [range] }) =>
    range !== undefined && range.count > 0 && range.startOffset > 0
      ? [{ name: functionName, start: range.startOffset }]
      : [],
  )
}

/**
 * Where a path ends, the same for all measured paths: a call of an outside service leaves the process in these folders. What a call
 * passes there (its deadline, the breaker, the client of the service) is the same for every caller, and docs/design/resilience.md's.
 */
export const outside = /^src\/(?:adapters|resilience)\//

/** The source files of functions in the bundle: esbuild puts a comment with its path before each module. */
export function filesOf(bundle: string, functions: readonly FunctionRun[]): FileOnPath[] {
  const modules = [...bundle.matchAll(/^\/\/ (\S+)$/gm)].map(({ 1: file = '', index }) => ({ file, index }))
  const found = new Map<string, string[]>()
  for (const { name, start } of functions) {
    const { file = '' } = modules.findLast(({ index }) => index <= start) ?? {}
    if (/^(?:src|durable-objects)\//.test(file) && !outside.test(file))
      found.set(file, [...(found.get(file) ?? []), name])
  }
  return [...found]
    .map(([file, names]) => ({ file, lines: linesOf(file), functions: names }))
    .sort((a, b) => (a.file < b.file ? -1 : 1))
}

function linesOf(file: string): number {
  return readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length
}

/** Prints the files, with their functions when `-v` was given. Returns what exceeds the bounds. */
export function printPath(
  path: readonly FileOnPath[],
  { of, maxFiles, maxLines }: { readonly of: string; readonly maxFiles: number; readonly maxLines: number },
): string[] {
  const total = path.reduce((sum, { lines }) => sum + lines, 0)
  for (const { file, lines, functions } of path) {
    const names = process.argv.includes('-v') ? `  ${functions.join(' ')}` : ''
    process.stdout.write(`${String(lines).padStart(5)}  ${file}${names}\n`)
  }
  process.stdout.write(`${String(total).padStart(5)}  lines in ${path.length} files on the path of ${of}\n`)
  return [
    ...(path.length > maxFiles ? [`${path.length} files are on the path of ${of}: at most ${maxFiles}`] : []),
    ...(total > maxLines ? [`${total} lines are on the path of ${of}: at most ${maxLines}`] : []),
  ]
}
