import { Hono } from 'hono'
import { html, raw } from 'hono/html'
import { callNotificationCatalog } from '../../../../durable-objects/open-recipients.ts'
import type { SentMessage } from '../../../../durable-objects/notification-contracts.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import type { App } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'

/**
 * Shows what left by providers of the type `outbox`. Exists in the local environment only; a deployment answers 404. The HTML of an
 * e-mail is a document of its own in a frame that can do nothing: it was written by a tenant.
 */
export const outbox = new Hono<App>()
  .get('/', async (c) => {
    const messages = await callNotificationCatalog(c.env, localTenant(c.env), (catalog) => catalog.sent())
    const chosen = messages.find(({ n }) => String(n) === c.req.query('n'))
    c.header('Content-Security-Policy', pagePolicy)
    c.header('Cache-Control', 'no-store')
    return c.html(page(messages, chosen))
  })
  .get('/:n{[0-9]+}/html', async (c) => {
    const n = Number(c.req.param('n'))
    const message = await callNotificationCatalog(c.env, localTenant(c.env), (catalog) => catalog.sentMessage(n))
    const text = message?.content.html
    if (text === undefined) return fail('not-found', `there is no HTML of message ${n}`)
    c.header('Content-Security-Policy', mailPolicy)
    c.header('Cache-Control', 'no-store')
    return c.html(text)
  })

const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** Pictures from anywhere, as mail programs show them; no script, form, frame or plug-in. */
const mailPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"

function localTenant(env: Env): string {
  return loadConfig(env).localTenant ?? fail('not-found', 'only in the local environment')
}

const names: Readonly<Record<string, string>> = {
  email: 'E-mail',
  sms: 'SMS',
  push: 'Push',
  chat: 'Chat',
  webhook: 'Webhook',
}

const page = (messages: readonly SentMessage[], chosen: SentMessage | undefined) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        ${chosen === undefined ? raw('<meta http-equiv="refresh" content="5" />') : ''}
        <title>Outbox</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body class="${chosen === undefined ? 'list' : 'message'}">
        <header>
          <h1><a href="/demo/outbox">Outbox</a></h1>
          <p>${messages.length === 1 ? '1 message' : `${messages.length} messages`}; nothing is really sent</p>
        </header>
        <nav aria-label="Messages">
          ${
            messages.length === 0
              ? html`<p class="empty">
                  Nothing has left yet. Messages of channels without a provider appear here; this page looks for them
                  every five seconds.
                </p>`
              : html`<ul>
                  ${messages.map((message) => line(message, message.n === chosen?.n))}
                </ul>`
          }
        </nav>
        <main>
          ${
            chosen === undefined
              ? html`<p class="empty">${messages.length === 0 ? '' : 'Choose a message.'}</p>`
              : shown(chosen)
          }
        </main>
      </body>
    </html> `

const line = (message: SentMessage, isChosen: boolean) =>
  html`<li>
    <a href="/demo/outbox?n=${message.n}" ${isChosen ? raw('aria-current="true"') : ''}>
      <span class="top"
        ><span class="channel">${names[message.channel] ?? message.channel}</span>${time(message.at)}</span
      >
      <span class="title" dir="auto">${message.content.title ?? message.content.body.slice(0, 120)}</span>
      <span class="to">${message.to}</span>
    </a>
  </li>`

/** UTC, since the server does not know the reader's zone. */
function time(at: number) {
  const iso = new Date(at).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`
}

const shown = ({ n, at, content, channel, to, user, workflow, provider, locale, delivery }: SentMessage) => html`
  <p class="back"><a href="/demo/outbox">All messages</a></p>
  <h2 dir="auto">${content.title ?? names[channel] ?? channel}</h2>
  <dl>
    <dt>To</dt>
    <dd>${to}</dd>
    <dt>User</dt>
    <dd>${user}</dd>
    <dt>Sent</dt>
    <dd>${time(at)} UTC</dd>
    <dt>Workflow</dt>
    <dd>${workflow}</dd>
    <dt>Provider</dt>
    <dd>${provider}</dd>
    <dt>Locale</dt>
    <dd>${locale ?? 'none'}</dd>
    <dt>Delivery</dt>
    <dd><code>${delivery}</code></dd>
  </dl>
  ${
    content.html === undefined
      ? html`<pre dir="auto">${content.body}</pre>`
      : html`<iframe title="HTML of the e-mail" sandbox src="/demo/outbox/${n}/html"></iframe>
          <details>
            <summary>Text</summary>
            <pre dir="auto">${content.body}</pre>
          </details>`
  }
  ${content.url === undefined ? '' : html`<p class="link">Leads to <a href="${content.url}" rel="noreferrer">${content.url}</a></p>`}
  ${(content.actions ?? []).map(
    ({ label, url }) =>
      html`<p class="link">
        ${label}${url === undefined ? '' : html`: <a href="${url}" rel="noreferrer">${url}</a>`}
      </p>`,
  )}
`

const style = `
  :root { --line: light-dark(#c9d3d9, #2c3a45); --page: light-dark(#fff, #111a21); --side: light-dark(#eef3f5, #0b1218);
    --soft: light-dark(#51616c, #a3b3bd); --accent: light-dark(#1f4e79, #8dbde8); --chosen: light-dark(#d8e6f1, #1d3245); }
  *, *::before, *::after { box-sizing: border-box; margin: 0; }
  body { display: grid; grid-template: auto 1fr / 22rem 1fr; height: 100dvh; background: var(--page);
    font: 1rem/1.45 system-ui, sans-serif; }
  a { color: var(--accent); }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
  header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; padding: .75rem 1rem;
    border-bottom: 1px solid var(--line); }
  h1 { font-size: 1.15rem; } h1 a { color: inherit; text-decoration: none; }
  header p, .to, time, dt, .empty { color: var(--soft); }
  nav { overflow-y: auto; border-right: 1px solid var(--line); background: var(--side); }
  nav ul { padding: 0; list-style: none; }
  nav a { display: grid; gap: .1rem; min-height: 3rem; padding: .6rem 1rem; border-bottom: 1px solid var(--line); color: inherit;
    text-decoration: none; }
  nav a:hover, nav a[aria-current] { background: var(--chosen); }
  .top { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; }
  .channel { font-weight: 600; color: var(--accent); }
  .title, .to { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .title { font-weight: 600; }
  .to { font-size: .9rem; }
  main { display: flex; flex-direction: column; gap: .75rem; min-width: 0; padding: 1rem; overflow-y: auto; }
  .empty { padding: 1rem; }
  h2 { font-size: 1.3rem; overflow-wrap: anywhere; }
  dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; font-size: .95rem; }
  dd, .link { overflow-wrap: anywhere; }
  iframe { flex: 1 0 24rem; width: 100%; border: 1px solid var(--line); border-radius: .4rem; background: #fff; color-scheme: light; }
  pre { padding: .75rem; border: 1px solid var(--line); border-radius: .4rem; font: inherit; white-space: pre-wrap;
    overflow-wrap: anywhere; }
  summary { min-height: 2.5rem; padding: .5rem 0; cursor: pointer; }
  .back { display: none; }
  @media (max-width: 48rem) {
    body { grid-template-columns: 1fr; }
    nav { border-right: 0; }
    body.list main, body.message nav { display: none; }
    .back { display: block; }
    .back a { display: inline-block; padding: .5rem 0; }
  }`
