import { Hono } from 'hono'
import page from '../../../../web/dist/page.js'
import type { App } from '../../http/context.ts'

/** The chat page: one file, allowed to run its own script and style and to talk to this server, nothing else. */
export const chatPage = new Hono<App>()
  .get('/', (c) => {
    c.header('Content-Security-Policy', contentPolicy)
    c.header('Cache-Control', 'no-cache')
    c.header('ETag', page.etag)
    if (c.req.header('if-none-match') === page.etag) return c.body(null, 304)
    return c.html(page.html)
  })
  .get('/favicon.ico', (c) => c.body(null, 204))

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
