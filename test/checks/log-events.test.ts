import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

interface LoggedEvent {
  readonly event: string
  readonly at: string
  readonly names: 'request' | 'connection' | 'neither'
}

/** Every call of `log`: its event, and whether its line names the request or the connection that it belongs to. */
function eventsIn(file: string, text: string): LoggedEvent[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: LoggedEvent[] = []
  const look = (node: ts.Node): void => {
    if (
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      /^log\.(?:info|warn|error)$/.test(node.expression.getText(source)) &&
      node.arguments[0] !== undefined
    ) {
      const fields = node.arguments[1]?.getText(source) ?? ''
      const names = /\.\.\.(?:idsOf\(|ids\b)/.test(fields)
        ? 'request'
        : /\bclient\b/.test(fields)
          ? 'connection'
          : 'neither'
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
      found.push({ event: nameOf(node.arguments[0], source), at: `${file}:${line + 1}`, names })
    }
    ts.forEachChild(node, look)
  }
  look(source)
  return found
}

/** The name of an event; parts that are computed are `*`. */
function nameOf(event: ts.Expression, source: ts.SourceFile): string {
  if (ts.isStringLiteralLike(event)) return event.text
  if (ts.isTemplateExpression(event))
    return event.head.text + event.templateSpans.map(({ literal }) => `*${literal.text}`).join('')
  return `(${event.getText(source)})`
}

const events = globSync('{src,durable-objects}/**/*.ts', { cwd: root }).flatMap((file) =>
  eventsIn(file, readFileSync(join(root, file), 'utf8')),
)

/** The events that docs/operations.md lists as belonging to no request. */
function documented(): string[] {
  const text = readFileSync(join(root, 'docs/operations.md'), 'utf8')
  const [, section = ''] = /## Lines without a request\n([^]*?)(?=\n## )/.exec(text) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  return rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
}

test('every log line names the request or the connection that caused it, or docs/operations.md says why there is none', () => {
  expect(events.length).toBeGreaterThan(60)
  const listed = documented()
  const missing = events.filter(({ event, names }) => names === 'neither' && !listed.includes(event))
  expect(missing.map(({ event, at }) => `${event} at ${at}`)).toEqual([])
})

test('docs/operations.md lists no event as without a request that is gone, or that names one everywhere', () => {
  const unknown = documented().filter(
    (name) => !events.some(({ event, names }) => event === name && names === 'neither'),
  )
  expect(unknown).toEqual([])
})

test('a line that names neither is found', () => {
  const [without, withIds, withClient] = eventsIn(
    'made-up.ts',
    "log.warn('a.b', { reason })\nlog.error(`a.${kind}-c`, { ...idsOf(request), reason })\nlog.info('a.d', { client: session.client })",
  )
  expect(without).toMatchObject({ event: 'a.b', names: 'neither' })
  expect(withIds).toMatchObject({ event: 'a.*-c', names: 'request' })
  expect(withClient).toMatchObject({ event: 'a.d', names: 'connection' })
})
