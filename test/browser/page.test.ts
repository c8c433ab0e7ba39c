import * as fc from 'fast-check'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildPage } from '../../web/build.ts'
import { linesOf } from '../../sdk/lines.ts'
import { readEntry } from '../../sdk/entries.ts'
import { ParleyError } from '../../sdk/failure.ts'
import { emptyTimeline, place, say, stall } from '../../sdk/timeline.ts'
import { rowsOf } from '../../web/rows.ts'
import { piecesOf } from '../../web/ui/pieces.ts'
import { namesIn } from '../../web/words.ts'

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

  test('fetches from no server: no address but data and names of namespaces', () => {
    // Texts in its script, such as those of a library that can write HTML, are no markup of the page.
    const markup = page.replaceAll(/(<script\b[^>]*>)[\s\S]*?(?=<\/script>)/g, '$1')
    expect(markup).not.toMatch(/<(?:script|img|iframe)\b[^>]*\bsrc=/)
    expect(page).not.toMatch(/@import|url\(\s*['"]?https?:/)
    expect(page.match(/<link\b[^>]*href="(?!data:)/)).toBeNull()
  })
})

describe('addresses in a text', () => {
  const links = (text: string) => piecesOf(text).flatMap(({ text, href }) => (href === undefined ? [] : [[text, href]]))
  const itself = (url: string) => [[url, url]]

  test.each([
    ['see https://en.wikipedia.org/wiki/Foo_(bar).', 'https://en.wikipedia.org/wiki/Foo_(bar)'],
    ['(https://a.example/b)', 'https://a.example/b'],
    ["https://a.example/it's/here", "https://a.example/it's/here"],
    ["'https://a.example/x'", 'https://a.example/x'],
    ['見て https://a.example/x。次', 'https://a.example/x'],
    ['（https://a.example/x）、次', 'https://a.example/x'],
    ['「https://a.example/x」', 'https://a.example/x'],
    ['“https://a.example/x”…', 'https://a.example/x'],
    ['https://例え.jp/道、次', 'https://例え.jp/道'],
    ['HTTPS://A.example/X', 'HTTPS://A.example/X'],
    ['http://localhost:8787/x?y=1&z=2!', 'http://localhost:8787/x?y=1&z=2'],
  ])('of %j exactly %j is a link', (text, url) => {
    expect(links(text)).toEqual(itself(url))
  })

  test('www. and mail addresses are links, other names with a dot are not', () => {
    expect(links('www.example.com/x.')).toEqual([['www.example.com/x', 'https://www.example.com/x']])
    expect(links('Mail bob.b+c@example.com, please')).toEqual([['bob.b+c@example.com', 'mailto:bob.b+c@example.com']])
    for (const text of ['run file.sh', 'read readme.md', 'javascript:alert(1)', 'ftp://a.example/x', 'a@b'])
      expect(links(text)).toEqual([])
  })

  test('the pieces of any text are the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.webUrl(), fc.string(), (before, url, after) => {
        const text = `${before} ${url}${after}`
        expect(
          piecesOf(text)
            .map((piece) => piece.text)
            .join(''),
        ).toBe(text)
      }),
    )
  })
})

describe('names in the field of members', () => {
  test.each([
    ['bob carol', ['bob', 'carol']],
    [' bob,carol ;  dave\neve\t', ['bob', 'carol', 'dave', 'eve']],
    ['bob、carol', ['bob', 'carol']],
    [' , ', []],
  ])('%j are %j', (typed, names) => {
    expect(namesIn(typed)).toEqual(names)
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

  test('let each message that waits behind one that could not leave be cancelled', () => {
    const written = ['1', '2', '3'].reduce((timeline, id) => say(timeline, id, 'x', noon), emptyTimeline('ann'))
    const queued = (timeline: typeof written) =>
      rowsOf(linesOf(timeline), undefined).flatMap((row) => (row.kind === 'message' ? [row.queued] : []))
    expect(queued(written)).toEqual([false, false, false])
    const problem = new ParleyError('unreachable', 'no connection')
    expect(queued(stall(written, '1', problem))).toEqual([false, true, true])
  })

  test('mark the first message of others after what was read, once', () => {
    const given = lines(['bob', noon], ['ann', noon], ['bob', noon], ['bob', noon])
    expect(shape(rowsOf(given, 1))).toEqual(['day', '[bob]', '[ann]', 'unread', '[bob', ' bob]'])
    expect(shape(rowsOf(given, 4))).not.toContain('unread')
  })
})
