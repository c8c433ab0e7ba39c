import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildPage } from '../../web/build.ts'
import { linesOf } from '../../sdk/lines.ts'
import { readEntry } from '../../sdk/entries.ts'
import { emptyTimeline, place, say } from '../../sdk/timeline.ts'
import { rowsOf } from '../../web/rows.ts'

const built = (name: string) => readFile(new URL(`../../web/dist/${name}`, import.meta.url), 'utf8')

describe('the built page', () => {
  let page = ''
  beforeAll(async () => {
    await buildPage()
    page = await built('page.html')
  })

  const inside = (element: string) => [
    ...page.matchAll(new RegExp(`<${element}\\b[^>]*>([\\s\\S]*?)</${element}>`, 'gi')),
  ]
  const hash = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`

  test('has exactly one script and one style, which the hashes allow', async () => {
    const hashes = z.object({ script: z.string(), style: z.string() }).parse(JSON.parse(await built('page.json')))
    expect(inside('script').map(([, code = '']) => hash(code))).toEqual([hashes.script])
    expect(inside('style').map(([, code = '']) => hash(code))).toEqual([hashes.style])
  })

  test('asks nobody for anything: no address but data and names of namespaces', () => {
    expect(page).not.toMatch(/<(?:script|img|iframe)\b[^>]*\bsrc=/)
    expect(page).not.toMatch(/@import|url\(\s*['"]?https?:/)
    expect(page.match(/<link\b[^>]*href="(?!data:)/)).toBeNull()
  })
})

describe('rows', () => {
  const day = 24 * 3600_000
  const noon = new Date(2026, 0, 5, 12).getTime()
  const lines = (...given: readonly [string, number][]) =>
    linesOf(
      place(
        emptyTimeline('ann'),
        given.map(([user, at], index) => ({
          seq: index + 1,
          entry: readEntry({ type: 'message', clientId: `${index}`, user, at, text: 'x' }),
        })),
      ),
    )
  const shape = (rows: ReturnType<typeof rowsOf>) =>
    rows.map((row) =>
      row.kind === 'message' ? `${row.first ? '[' : ' '}${row.line.user}${row.last ? ']' : ''}` : row.kind,
    )

  test('set days apart and hold together what one person says in one go', () => {
    const given = lines(['bob', noon], ['bob', noon + 1000], ['ann', noon + 2000], ['ann', noon + day])
    expect(shape(rowsOf(given, undefined))).toEqual(['day', '[bob', ' bob]', '[ann]', 'day', '[ann]'])
  })

  test('are each another one, also when what was not sent yesterday stands below what was said today', () => {
    const said = place(emptyTimeline('ann'), [
      { seq: 1, entry: readEntry({ type: 'message', clientId: '1', user: 'bob', at: noon, text: 'x' }) },
      { seq: 2, entry: readEntry({ type: 'message', clientId: '2', user: 'bob', at: noon + day, text: 'x' }) },
    ])
    const rows = rowsOf(linesOf(say(said, '3', 'x', noon)), undefined)
    expect(shape(rows)).toEqual(['day', '[bob]', 'day', '[bob]', 'day', '[ann]'])
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
  })

  test('mark the first message of others after what was read, once', () => {
    const given = lines(['bob', noon], ['ann', noon], ['bob', noon], ['bob', noon])
    expect(shape(rowsOf(given, 1))).toEqual(['day', '[bob]', '[ann]', 'unread', '[bob', ' bob]'])
    expect(shape(rowsOf(given, 4))).not.toContain('unread')
  })
})
