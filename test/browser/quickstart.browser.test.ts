import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CustomerProject } from '../support/customer-project.ts'
import { filesIn } from '../support/examples.ts'
import { absent, executablePath, launchBrowser } from './browser.ts'
import { startServer, type Server } from './server.ts'

if (absent) process.stdout.write(`quickstart: skipped, no browser at ${executablePath} (CHROMIUM names another)\n`)

describe.skipIf(absent)('a newcomer who follows the quickstart', () => {
  let server: Server
  let browser: Browser
  let project: CustomerProject
  let backend: ChildProcess
  let backendUrl: string
  let vite: ViteDevServer
  let pageUrl: string
  const faults: string[] = []

  beforeAll(async () => {
    server = await startServer()
    browser = await launchBrowser()
    project = await CustomerProject.make()
    const files = await filesIn('docs/quickstart.md')
    for (const [name, code] of files) await project.write(name, code)
    await project.write('react.html', (files.get('index.html') ?? '').replace('page.js', 'react-page.jsx'))
    backend = run('backend.js')
    backendUrl = /http:\/\/localhost:\d+/.exec(await firstLine(backend))?.[0] ?? 'no address'
    vite = await createServer({ root: project.folder, logLevel: 'silent', server: { port: 0, fs: { strict: false } } })
    await vite.listen()
    pageUrl = vite.resolvedUrls?.local[0] ?? 'no address'
  })

  afterAll(async () => {
    backend?.kill()
    await vite?.close()
    await browser?.close()
    await server?.stop()
    await project?.remove()
  })

  /** A program of the newcomer, with the addresses of this test in place of those in the text. */
  function run(program: string): ChildProcess {
    const env = { ...process.env, PARLEY_URL: server.url, PARLEY_API_KEY: 'demo-key', PORT: '0' }
    return spawn(process.execPath, [join(project.folder, program)], { cwd: project.folder, env })
  }

  const firstLine = async (child: ChildProcess): Promise<string> =>
    await new Promise((resolve, reject) => {
      let errors = ''
      child.stdout?.once('data', (line) => resolve(String(line)))
      child.stderr?.on('data', (text) => (errors += String(text)))
      child.once('exit', (code) => reject(new Error(`ended with ${code}: ${errors}`)))
    })

  async function open(page: string, user: string): Promise<Page> {
    const opened = await (await browser.newContext()).newPage()
    opened.on('pageerror', (error) => faults.push(error.message))
    await opened.goto(
      `${pageUrl}${page}?${new URLSearchParams({ parley: server.url, backend: backendUrl, user }).toString()}`,
    )
    return opened
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.getByRole('textbox', { name: 'Message' }).fill(text)
    await page.getByRole('textbox', { name: 'Message' }).press('Enter')
  }

  test('has two users that chat on pages with and without React, and a server that writes to them', async () => {
    const alice = await open('index.html', 'alice')
    await say(alice, 'Hello, bob')
    await alice.getByText('alice: Hello, bob').waitFor()

    const bob = await open('react.html', 'bob')
    await bob.getByRole('button', { name: 'alice (1)' }).click()
    await bob.getByText('alice: Hello, bob').waitFor()
    await say(bob, 'Hello, alice')
    await alice.getByText('bob: Hello, alice').waitFor()

    expect(await firstLine(run('server.js'))).toContain('sent')
    await alice.getByText('bob: Order 17 has been shipped').waitFor()
    await bob.getByText('bob: Order 17 has been shipped').waitFor()
    expect(faults).toEqual([])
  })
})
