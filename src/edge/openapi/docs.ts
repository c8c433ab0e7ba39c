import { Hono } from 'hono'
import { etag } from 'hono/etag'
import { createMiddleware } from 'hono/factory'
import { html, raw } from 'hono/html'
import { z } from 'zod'
import { loadConfig } from '../../config.ts'
import { closes, unsubscribes } from '../../protocol/close-codes.ts'
import { errors } from '../../protocol/errors.ts'
import { problems } from '../../protocol/problems.ts'
import type { App, AppContext } from '../http/context.ts'
import reference from '../../../web/dist/reference.js'
import { openApi } from './openapi.ts'
import { realtimeData, realtimeMethods } from './realtime.ts'

/** Caches ask each time whether they have the present text. */
const onlyChecked = createMiddleware<App>(async function onlyChecked(c, next) {
  await next()
  c.header('Cache-Control', 'no-cache')
})

/** The API as a document for machines and as pages for people, both made of the tables the code runs on. */
export const docs = new Hono<App>()
  .use('/openapi.json', etag(), onlyChecked)
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
  .get('/docs/realtime', async (c) => c.html(await withOrigin(realtimePageText, c, inHtml)))
  .get('/docs/errors', async (c) => c.html(await errorsPageText()))

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
const apiPages = {
  local: once(async () => String(await shell('Parley API', apiPage(hostMark, 'demo-key')))),
  deployed: once(async () => String(await shell('Parley API', apiPage(hostMark, '<API key>')))),
}
const realtimePageText = once(async () => String(await shell('Parley realtime', realtimePage(hostMark))))
const errorsPageText = once(async () => String(await shell('Parley: errors and close codes', errorsPage())))

const style = `
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:16px/1.6 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:2rem 1.25rem 6rem}
h1{font-size:1.7rem;margin:.2em 0}h2{margin-top:2.4em;font-size:1.15rem}
code,pre{font:.88em ui-monospace,monospace}pre{padding:1rem;overflow:auto;border:1px solid var(--line);border-radius:.6rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.5rem .8rem .5rem 0;border-bottom:1px solid var(--line)}
.scroll{overflow-x:auto}nav a{margin-right:1rem}a{color:inherit}`

const shell = (title: string, body: ReturnType<typeof html>) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${title}</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <nav>
          <a href="/">Chat</a><a href="/docs">API</a><a href="/docs/realtime">Realtime</a
          ><a href="/docs/errors">Errors</a><a href="/openapi.json">OpenAPI</a>
        </nav>
        <h1>${title}</h1>
        ${body}
      </body>
    </html>`

const example = (host: string, key: string) => `# a token for Alice, with your API key
curl -s ${host}/v1/tokens -H 'Authorization: Bearer ${key}' -d '{"user":"alice"}'

# a conversation, and a message in it
curl -s ${host}/v1/conversations -H 'Authorization: Bearer ${key}' \\
  -d '{"type":"group","name":"Lunch","members":["alice","bob"]}'
curl -s ${host}/v1/conversations/<id>/messages -H 'Authorization: Bearer ${key}' \\
  -d '{"clientId":"1","text":"Hungry?","user":"alice"}'`

const realtime = (host: string) => `import { Centrifuge } from 'centrifuge'

const client = new Centrifuge('ws://${host}/connection/websocket', { token })
const room = client.newSubscription('conversation:<id>', { recoverable: true })
room.on('publication', ({ data, offset }) => console.log(offset, data))
room.subscribe()
client.connect()
const message = { conversation: '<id>', clientId: crypto.randomUUID(), text: 'Hello' }
await client.rpc('message.send', message)`

const apiPage = (host: string, key: string) =>
  html` <p>
      Every request carries <code>Authorization: Bearer &lt;API key or user token&gt;</code>. Bodies are JSON; unknown
      fields are refused. Errors are <a href="/docs/errors">problems</a> (RFC 9457) that name the field, the rule and
      the fix.
    </p>
    <pre>${example(host, key)}</pre>
    <link rel="stylesheet" href="/docs/reference.css" />
    <div id="reference"></div>
    <noscript>The reference needs JavaScript; <a href="/openapi.json">/openapi.json</a> says the same.</noscript>
    <script src="/docs/reference.js"></script>`

const realtimePage = (host: string) =>
  html` <p>
      One WebSocket at <code>/connection/websocket</code> speaks the Centrifuge protocol: its SDKs work unmodified. A
      conversation is the channel <code>conversation:&lt;id&gt;</code>; the seq of an entry is the offset of its
      publication. The channel of a user is <code>user:#&lt;user&gt;</code>. Networks without WebSockets use
      <code>/connection/sse</code> or <code>/connection/http_stream</code>.
    </p>
    <pre>${realtime(host)}</pre>
    <h2 id="methods">Methods</h2>
    <p>Called with <code>client.rpc(method, data)</code>.</p>
    ${realtimeMethods.map(
      ({ method, summary, data, result }) =>
        html`<h3 id="${method}"><code>${method}</code></h3>
          <p>${summary}</p>
          ${fieldTable('Data', data, 'input')} ${fieldTable('Result', result, 'output')}`,
    )}
    ${realtimeData.map(
      ({ id, title, text, schemas }) =>
        html`<h2 id="${id}">${title}</h2>
          <p>${text}</p>
          ${Object.entries(schemas).map(
            ([type, schema]) =>
              html`<h3 id="${id}-${type}"><code>${type}</code></h3>
                ${fieldTable('Field', schema, 'output')}`,
          )}`,
    )}`

/** The fields of an object schema: name, type, and what is said of it. */
function fieldTable(heading: string, schema: z.ZodType, side: 'input' | 'output') {
  const { properties, required } = fieldsOf(schema, side)
  return html`<div class="scroll">
    <table>
      <tr>
        <th>${heading}</th>
        <th>Type</th>
        <th>Description</th>
      </tr>
      ${Object.entries(properties).map(
        ([name, field]) =>
          html`<tr>
            <td><code>${name}</code></td>
            <td>${typeOf(field)}${required.includes(name) ? '' : ', optional'}</td>
            <td>${field.description ?? ''}</td>
          </tr>`,
      )}
    </table>
  </div>`
}

const field = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.looseObject({ type: z.string().optional() })).optional(),
  $ref: z.string().optional(),
  description: z.string().optional(),
})
const fields = z.looseObject({
  properties: z.record(z.string(), field).default({}),
  required: z.array(z.string()).default([]),
})
const referring = z.looseObject({ $ref: z.string().optional(), $defs: z.record(z.string(), z.unknown()).optional() })

function fieldsOf(schema: z.ZodType, io: 'input' | 'output'): z.output<typeof fields> {
  const json = referring.parse(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))
  return fields.parse(json.$ref === undefined ? json : json.$defs?.[json.$ref.replace('#/$defs/', '')])
}

function typeOf({ type, const: value, enum: values, anyOf, $ref }: z.output<typeof field>): string {
  if (value !== undefined) return JSON.stringify(value)
  if (values !== undefined) return values.map((one) => JSON.stringify(one)).join(' | ')
  if ($ref !== undefined) return $ref.replace('#/$defs/', '')
  if (anyOf !== undefined) return anyOf.map((one) => one.type ?? 'object').join(' | ')
  return type === undefined ? 'JSON' : [type].flat().join(' | ')
}

const errorsPage = () =>
  html` <h2>HTTP problems</h2>
    <div class="scroll">
      <table>
        <tr>
          <th>type</th>
          <th>Status</th>
          <th>Meaning</th>
        </tr>
        ${Object.entries(problems).map(
          ([name, { status, title }]) =>
            html`<tr id="${name}">
              <td><code>${name}</code></td>
              <td>${status}</td>
              <td>${title}</td>
            </tr>`,
        )}
      </table>
    </div>
    <h2>Error replies of connections</h2>
    <div class="scroll">
      <table>
        <tr>
          <th>Code</th>
          <th>Message</th>
          <th>Worth repeating</th>
        </tr>
        ${Object.values(errors).map(
          ({ code, message, temporary }) =>
            html`<tr>
              <td>${code}</td>
              <td>${message}</td>
              <td>${temporary ? 'yes, later' : 'no'}</td>
            </tr>`,
        )}
      </table>
    </div>
    <h2>Why a connection or subscription ends</h2>
    <div class="scroll">
      <table>
        <tr>
          <th>Code</th>
          <th>Reason</th>
          <th>The SDK</th>
        </tr>
        ${Object.values(closes).map(
          ({ code, reason }) =>
            html`<tr>
              <td>${code}</td>
              <td>${reason}</td>
              <td>${code < 3500 ? 'connects again' : 'stays away'}</td>
            </tr>`,
        )}
        ${Object.values(unsubscribes).map(
          ({ code, reason }) =>
            html`<tr>
              <td>${code}</td>
              <td>${reason}</td>
              <td>${code < 2500 ? 'stays unsubscribed' : 'subscribes again'}</td>
            </tr>`,
        )}
      </table>
    </div>`
