import { join } from 'node:path'
import { build } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call } from '../support/e2e/people.ts'
import { absent, executablePath, launchBrowser } from './browser.ts'
import { startServer, type Server } from './server.ts'

if (absent) process.stdout.write(`react: skipped, no browser at ${executablePath} (CHROMIUM names another)\n`)

/** A customer's page made with the hooks, in React's strict mode, which mounts everything twice. */
const source = `
import { createElement as h, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { createParley } from './index.ts'
import { ParleyProvider, useConnection, useConversation, useConversations, useTyping, useUnread } from './react.ts'

const { user, token } = globalThis.session
const client = createParley({ url: location.origin, user, getToken: async () => token })

function Talk({ id }) {
  const { conversation, view } = useConversation(id)
  const typing = useTyping(id)
  return h('section', null,
    h('ol', null, view.lines.filter(({ kind }) => kind === 'message').map(({ key, text }) => h('li', { key }, text))),
    h('p', { role: 'status' }, typing.map((name) => name + ' types').join()),
    h('button', { onClick: () => conversation.send('hello from ' + user) }, 'Say hello'),
    h('button', { onClick: () => conversation.typing() }, 'Type'))
}

function App() {
  const { items, status } = useConversations()
  const { unread } = useUnread()
  const connection = useConnection()
  const [open, setOpen] = useState()
  return h('main', null,
    h('h1', null, [connection.kind, status, unread].join(' ')),
    items.map(({ id, name }) => h('a', { key: id, href: '#', onClick: () => setOpen(id) }, name)),
    h('button', { onClick: () => setOpen(undefined) }, 'Close'),
    open && h(Talk, { id: open }))
}

createRoot(document.body.appendChild(document.createElement('div')))
  .render(h(StrictMode, null, h(ParleyProvider, { client }, h(App))))
`

describe.skipIf(absent)('a page made with the hooks for React', () => {
  let server: Server
  let browser: Browser
  let script: string

  beforeAll(async () => {
    server = await startServer()
    browser = await launchBrowser()
    const built = await build({
      stdin: { contents: source, resolveDir: join(import.meta.dirname, '../../sdk'), loader: 'js' },
      bundle: true,
      write: false,
      format: 'esm',
      define: { 'process.env.NODE_ENV': '"development"' },
    })
    script = built.outputFiles[0]?.text ?? ''
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  async function open(user: string, faults: string[]): Promise<Page> {
    const answer = await call(server, apiKey, 'POST', '/v1/tokens', { user })
    const { token } = z.object({ token: z.string() }).parse(answer.body)
    const context = await browser.newContext()
    const page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (said) => said.type() === 'error' && faults.push(said.text()))
    await page.addInitScript((session) => Object.assign(globalThis, { session }), { user, token })
    // A page that Chromium counts to the server's own network, or it would not let it connect.
    await page.goto(`${server.url}/healthz`)
    await page.addScriptTag({ content: script, type: 'module' })
    return page
  }

  test('shows the list with exact counts, messages as they come and typing users, and catches up when it opens a conversation again', async () => {
    const faults: string[] = []
    await call(server, apiKey, 'POST', '/v1/conversations', { type: 'group', name: 'Hooks', members: ['hal', 'ina'] })
    const [hal, ina] = [await open('hal', faults), await open('ina', faults)]
    await hal.getByRole('link', { name: 'Hooks' }).click()
    await hal.getByRole('button', { name: 'Say hello' }).click()
    await ina.getByRole('heading', { name: 'online ready 1' }).waitFor()
    await ina.getByRole('link', { name: 'Hooks' }).click()
    await ina.getByRole('listitem').filter({ hasText: 'hello from hal' }).waitFor()
    await ina.getByRole('button', { name: 'Type' }).click()
    await hal.getByText('ina types').waitFor()
    await hal.getByRole('button', { name: 'Close' }).click()
    await ina.getByRole('button', { name: 'Say hello' }).click()
    await hal.getByRole('heading', { name: 'online ready 1' }).waitFor()
    await hal.getByRole('link', { name: 'Hooks' }).click()
    await expect.poll(() => hal.getByRole('listitem').allTextContents()).toEqual(['hello from hal', 'hello from ina'])
    expect(faults).toEqual([])
  })
})
