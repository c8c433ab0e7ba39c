import { Hono } from 'hono'
import { etag } from 'hono/etag'
import { createMiddleware } from 'hono/factory'
import { html, raw } from 'hono/html'
import { loadConfig } from '../../config.ts'
import type { App, AppContext } from '../http/context.ts'
import reference from '../../../web/dist/reference.js'
import { guidesByName, guidesPage, llmsText, toMarkdown } from './guides.ts'
import { htmlOf } from './markdown.ts'
import { openApi } from './openapi.ts'
import { apiPage, errorsPage, realtimePage } from './pages.ts'

/** Caches ask each time whether they have the present text. */
const onlyChecked = createMiddleware<App>(async function onlyChecked(c, next) {
  await next()
  c.header('Cache-Control', 'no-cache')
})

/**
 * The API as a document for machines and as pages for people, both made of the tables the code runs on, and the pages of docs/.
 * Every page is Markdown first: with `.md` behind its path it is served as such.
 */
export const docs = new Hono<App>()
  .use('/openapi.json', etag(), onlyChecked)
  .use('/docs.md', etag(), onlyChecked)
  .use('/llms.txt', etag(), onlyChecked)
  .use('/docs/*', etag(), onlyChecked)
  .get('/openapi.json', async (c) => {
    c.header('Content-Type', 'application/json')
    return c.body(await withOrigin(openApiText, c, (text) => JSON.stringify(text).slice(1, -1)))
  })
  .get('/docs', async (c) => {
    const { localApiKey } = loadConfig(c.env)
    c.header('Content-Security-Policy', contentPolicy)
    return c.html(await withOrigin(apiPages[localApiKey === undefined ? 'deployed' : 'local'], c, inHtml))
  })
  .get('/docs/reference.js', (c) => asset(c, reference.script, 'text/javascript; charset=utf-8'))
  .get('/docs/reference.css', (c) => asset(c, reference.style, 'text/css; charset=utf-8'))
  .get('/docs.md', async (c) => {
    const { localApiKey } = loadConfig(c.env)
    return markdown(c, await withOrigin(apiTexts[localApiKey === undefined ? 'deployed' : 'local'], c, asIs))
  })
  .get('/docs/realtime', async (c) => c.html(await withOrigin(realtimePageText, c, inHtml)))
  .get('/docs/realtime.md', async (c) => markdown(c, await withOrigin(realtimeText, c, asIs)))
  .get('/docs/errors', async (c) => c.html(await errorsPageText()))
  .get('/docs/errors.md', async (c) => markdown(c, await errorsText()))
  .get('/docs/guides', async (c) => c.html(await guidesPageText()))
  .get('/docs/guides.md', async (c) => markdown(c, await guidesText()))
  .get('/docs/guides/:name{.+\\.md}', async (c, next) => {
    const guide = guidesByName.get(c.req.param('name').slice(0, -'.md'.length))
    return guide === undefined ? await next() : markdown(c, await guide.markdown())
  })
  .get('/docs/guides/:name{.+}', async (c, next) => {
    const text = guideTexts.get(c.req.param('name'))
    return text === undefined ? await next() : c.html(await text())
  })
  .get('/llms.txt', (c) => c.text(llmsText(new URL(c.req.url).origin)))

const asIs = (text: string): string => text

const markdown = (c: AppContext, text: string): Response =>
  c.body(toMarkdown(text), 200, { 'Content-Type': 'text/markdown; charset=utf-8' })

/** The reference runs its own script and style and talks to this server, and nothing else. */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** A file of the reference, sent as it was compressed; unpacked for the few clients that do not take gzip. */
function asset(c: AppContext, { gzip, etag: tag }: typeof reference.script, contentType: string): Response {
  const headers = { 'Content-Type': contentType, 'Cache-Control': 'no-cache', ETag: tag, Vary: 'Accept-Encoding' }
  if (c.req.header('if-none-match') === tag) return new Response(null, { status: 304, headers })
  const bytes = Uint8Array.from(atob(gzip), (character) => character.charCodeAt(0))
  if (/\bgzip\b/.test(c.req.header('accept-encoding') ?? ''))
    return new Response(bytes, { headers: { ...headers, 'Content-Encoding': 'gzip' }, encodeBody: 'manual' })
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')), { headers })
}

/** Stands in the texts for where they are asked at; no address looks like it. */
const originMark = '\u0000origin\u0000'
const hostMark = '\u0000host\u0000'

/** Makes a text at its first use and keeps it: the tables it is made of do not change while the Worker runs. */
function once(make: () => string | Promise<string>): () => Promise<string> {
  let made: string | undefined
  return async () => (made ??= await make())
}

/** The text with the address of this request, which is the only thing that differs between two requests. */
async function withOrigin(text: () => Promise<string>, c: AppContext, escape: (text: string) => string) {
  const { origin, host } = new URL(c.req.url)
  return (await text()).replaceAll(escape(originMark), () => escape(origin)).replaceAll(hostMark, () => escape(host))
}

const inHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)

const openApiText = once(() => JSON.stringify(openApi(originMark)))
const apiTexts = {
  local: once(() => apiPage(hostMark, 'demo-key')),
  deployed: once(() => apiPage(hostMark, '<API key>')),
}
const apiPages = {
  local: once(async () => await shell(`${await apiTexts.local()}\n${reader}`)),
  deployed: once(async () => await shell(`${await apiTexts.deployed()}\n${reader}`)),
}
const realtimeText = once(() => realtimePage(hostMark))
const realtimePageText = once(async () => await shell(await realtimeText()))
const errorsText = once(errorsPage)
const errorsPageText = once(async () => await shell(await errorsText()))
const guidesText = once(guidesPage)
const guidesPageText = once(async () => await shell(await guidesText()))
const guideTexts = new Map(
  [...guidesByName].map(([name, { markdown }]) => [name, once(async () => await shell(await markdown()))]),
)

const style = `
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:16px/1.6 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:2rem 1.25rem 6rem}
h1{font-size:1.7rem;margin:.2em 0}h2{margin-top:2.4em;font-size:1.15rem}
code,pre{font:.88em ui-monospace,monospace}pre{padding:1rem;overflow:auto;border:1px solid var(--line);border-radius:.6rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.5rem .8rem .5rem 0;border-bottom:1px solid var(--line)}
.scroll{overflow-x:auto}nav{display:flex;flex-wrap:wrap;gap:0 1rem}a{color:inherit}h1,h2,h3,td{overflow-wrap:anywhere}`

/** The reference shows itself in the page; what it shows is also in the document. */
const reader = `<link rel="stylesheet" href="/docs/reference.css" />
<div id="reference"></div>
<noscript>The reference needs JavaScript; <a href="/openapi.json">/openapi.json</a> says the same.</noscript>
<script src="/docs/reference.js"></script>
`

/** A page of Markdown whose first line is its title. */
const shell = async (markdown: string): Promise<string> =>
  String(
    await html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width,initial-scale=1" />
          <title>${/^# (.+)$/m.exec(markdown)?.[1] ?? 'Parley'}</title>
          <style>
            ${raw(style)}
          </style>
        </head>
        <body>
          <nav>
            <a href="/">Chat</a><a href="/docs/guides">Guides</a><a href="/docs">API</a
            ><a href="/docs/realtime">Realtime</a><a href="/docs/errors">Errors</a><a href="/openapi.json">OpenAPI</a>
          </nav>
          ${raw(htmlOf(markdown))}
        </body>
      </html>`,
  )
