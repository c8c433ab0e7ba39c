import { Hono } from 'hono'
import page from '../../../../web/dist/page.js'
import { html } from 'hono/html'
import { loadConfig } from '../../../config.ts'
import type { App } from '../../http/context.ts'

/**
 * The chat page: one file, allowed to run its own script and style and to talk to this server, nothing else. It signs in
 * with demonstration tokens, which exist in development only; a production system serves a landing page instead.
 */
export const chatPage = new Hono<App>()
  .get('/', (c) => {
    if (loadConfig(c.env).localTenant === undefined) {
      c.header('Content-Security-Policy', landingPolicy)
      return c.html(landing)
    }
    c.header('Content-Security-Policy', contentPolicy)
    c.header('Cache-Control', 'no-cache')
    c.header('ETag', page.etag)
    if (c.req.header('if-none-match') === page.etag) return c.body(null, 304)
    return c.html(page.html)
  })
  .get('/favicon.ico', (c) => c.body(null, 204))

const landing = html`<!doctype html>
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>Parley</title>
      <style>
        body {
          max-width: 36rem;
          margin: 4rem auto;
          padding: 0 1rem;
          font:
            1rem/1.5 system-ui,
            sans-serif;
        }
      </style>
    </head>
    <body>
      <h1>Parley</h1>
      <p>This server is running.</p>
      <p>
        The demonstration chat is not available here: it signs in with demonstration tokens, which exist only in the
        development profile (<code>npm start</code>, or <code>PARLEY_PROFILE=dev npm run serve</code>).
      </p>
      <p><a href="/docs">API reference</a></p>
    </body>
  </html> `

const landingPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

const contentPolicy = [
  "default-src 'none'",
  `script-src '${page.scriptHash}'`,
  `style-src '${page.styleHash}' 'unsafe-inline'`,
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
