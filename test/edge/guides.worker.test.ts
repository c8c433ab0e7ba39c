import { describe, expect, test } from 'vitest'
import { guidesByName } from '../../src/edge/openapi/guides.ts'
import { call } from '../support/worker/http.ts'

/** The paths that a page links to on this server, without what other tests follow. */
const linksOf = (html: string): string[] =>
  [...html.matchAll(/href="(\/docs[^"]*|#[^"]*)"/g)].map(([, target = '']) => target.replaceAll('&amp;', '&'))

const idsOf = (html: string): Set<string> => new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id = '']) => id))

describe('the guides', () => {
  test('lead to pages and headings that exist, from each page to each', async () => {
    const pages = new Map<string, string>()
    const names = [...guidesByName.keys()].map((name) => `/docs/guides/${name}`)
    for (const path of ['/docs', '/docs/realtime', '/docs/errors', '/docs/guides', ...names]) {
      const { status, text, headers } = await call(`GET ${path}`)
      expect([path, status, headers.get('content-type')]).toEqual([path, 200, 'text/html; charset=UTF-8'])
      pages.set(path, text)
    }
    const broken = [...pages].flatMap(([path, html]) =>
      linksOf(html)
        .filter((link) => !/^\/docs\/reference\.(?:js|css)$/.test(link))
        .filter((link) => {
          const [target = '', fragment] = link.split('#')
          const page = pages.get(target === '' ? path : target)
          return page === undefined || (fragment !== undefined && !idsOf(page).has(fragment))
        })
        .map((link) => `${path}: ${link}`),
    )
    expect(broken).toEqual([])
  })

  test('are Markdown as well, with links to Markdown, under the path of each page and .md', async () => {
    for (const path of ['/docs', '/docs/realtime', '/docs/errors', '/docs/guides', '/docs/guides/design/wire']) {
      const { status, headers, text } = await call(`GET ${path}.md`)
      expect([path, status, headers.get('content-type')]).toEqual([path, 200, 'text/markdown; charset=utf-8'])
      expect(text).toMatch(/^# \w/)
      expect(text.match(/\]\(\/docs[^)]*(?<!\.md(?:#[\w-]*)?)\)/g)).toBe(null)
      const again = await call(`GET ${path}.md`, { headers: { 'if-none-match': headers.get('etag')! } })
      expect(again.status).toBe(304)
    }
  })

  test('name the server by the address of the request, in both forms of a page', async () => {
    for (const path of ['/docs', '/docs.md'])
      expect((await call(`GET ${path}`)).text).toContain('curl -s parley/v1/tokens')
  })

  test('are listed in llms.txt, each with the address of its Markdown and what it is about', async () => {
    const { text } = await call('GET /llms.txt')
    const listed = [...text.matchAll(/^- \[[^\]]+\]\(http:\/\/parley(\S+)\): (.+)$/gm)]
    expect(listed.map(([, path]) => path)).toEqual([
      '/docs.md',
      '/openapi.json',
      '/docs/realtime.md',
      '/docs/errors.md',
      ...[...guidesByName.keys()].filter((name) => !name.includes('/')).map((name) => `/docs/guides/${name}.md`),
      ...[...guidesByName.keys()].filter((name) => name.includes('/')).map((name) => `/docs/guides/${name}.md`),
    ])
    expect(listed.filter(([, , about = '']) => about.length < 10)).toEqual([])
    for (const [, path] of listed) expect([path, (await call(`GET ${path}`)).status]).toEqual([path, 200])
  })

  test('that do not exist are not found', async () => {
    for (const path of ['/docs/guides/none', '/docs/guides/none.md', '/docs/guides/', '/docs/guides/design'])
      expect([path, (await call(`GET ${path}`)).status]).toEqual([path, 404])
  })
})
