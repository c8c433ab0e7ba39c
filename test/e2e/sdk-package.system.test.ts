import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CustomerProject } from '../support/customer-project.ts'
import { System } from '../support/e2e/system.ts'
import { examplesIn } from '../support/examples.ts'
import { resolvedInReactNative } from '../support/react-native.ts'
import { sdkChat, sdkChatPrints } from '../support/sdk-chat.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** An empty project of a customer in which the package is installed. */
let project: CustomerProject
let system: System

beforeAll(async () => {
  project = await CustomerProject.make()
  system = await System.start()
})

afterAll(async () => {
  system.abandon()
  await project.remove()
})

/** A program of the customer, run by a version of Node; returns what it printed. */
async function program(node: string, name: string, source: string): Promise<string> {
  await project.write(name, source)
  const env = { ...process.env, PARLEY_URL: `http://127.0.0.1:${system.port}` }
  const { stdout } = await run(node, [name], { cwd: project.folder, env, timeout: 60_000 })
  return stdout
}

/** The Node of the machine beside that of the project. */
async function nodes(): Promise<string[]> {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'))
  const found = await run('which', ['node'], { env: { ...process.env, PATH: path.join(':') } }).catch(() => undefined)
  return [...new Set([process.execPath, ...(found === undefined ? [] : [found.stdout.trim()])])]
}

describe('the package of the SDK', () => {
  test('needs the dependencies it names, of the versions that the project is tested with, and no others', async () => {
    const installed = z.object({ version: z.string() })
    for (const [name, version] of Object.entries(project.sdk.dependencies)) {
      const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')
      expect([name, installed.parse(JSON.parse(text)).version]).toEqual([name, version])
    }
    expect(Object.keys(project.sdk.exports)).toEqual([
      '.',
      './server',
      './api',
      './indexed-db',
      './react',
      './package.json',
    ])
  })

  test('sends a message from a server and shows it to a user, in each version of Node at hand', async () => {
    for (const [index, node] of (await nodes()).entries()) {
      const printed = await program(node, `chat-${index}.mjs`, sdkChat({ websocket: false }))
      expect(JSON.parse(printed)).toEqual(sdkChatPrints)
    }
  })

  test('renders a page of its hooks on a server, which shows that nothing is known yet and connects to nothing', async () => {
    const source = `
      import { createElement } from 'react'
      import { renderToString } from 'react-dom/server'
      import * as hooks from 'parley-sdk/react'
      function Page() {
        const shown = [
          hooks.useConnection().kind,
          hooks.useConversations().status,
          hooks.useUnread().unread,
          hooks.useUnread('c').mentions,
          hooks.useConversation('c').view?.status ?? 'no view',
          hooks.useTyping('c').length,
          hooks.usePresence('c') ?? 'unknown',
          hooks.useFeed().view.status,
        ]
        return createElement('p', null, shown.join(', '))
      }
      console.log(renderToString(createElement(hooks.ParleyProvider, { client: undefined }, createElement(Page))))
    `
    const printed = await program(process.execPath, 'page.mjs', source)
    expect(printed.trim()).toBe('<p>idle, loading, 0, 0, no view, 0, unknown, closed</p>')
  })

  test('tells the compiler the fields of requests and answers, by both ways to resolve modules, and its documents use it as it is', async () => {
    await project.write(
      'typed.ts',
      `
      import { createApi } from 'parley-sdk/api'
      import { createParley, type View } from 'parley-sdk'
      import { ParleyServer, saga, type, type SagaDefinition } from 'parley-sdk/server'
      const api = createApi({ url: 'https://chat.example', apiKey: 'key' })
      const { data } = await api.POST('/v1/conversations', { body: { type: 'group', members: ['ann'] } })
      export const id: string | undefined = data?.id
      // @ts-expect-error there is no such type of conversation
      await api.POST('/v1/conversations', { body: { type: 'crowd', members: ['ann'] } })
      // @ts-expect-error there is no such operation
      await api.GET('/v1/nothing')
      // @ts-expect-error a conversation's id is a text
      export const wrong: number | undefined = data?.id
      const order: SagaDefinition = saga<{ id: string }>()
        .step('pay', { call: { url: 'https://pay.example' }, returns: type<{ charge: string }>() })
        .definition({ deadlineSeconds: 60 })
      await new ParleyServer({ url: 'https://chat.example', apiKey: 'key' }).defineSaga('order', order)
      // @ts-expect-error a deadline is a number
      export const late: SagaDefinition = { ...order, deadlineSeconds: 'soon' }
      export const view: View = createParley({ url: 'https://chat.example', user: 'ann', getToken: async () => 't' }).open('c').view
      `,
    )
    const known = `
      declare const url: string
      declare const apiKey: string
      declare const getToken: () => Promise<string>
      declare const fetchTokenFromMyServer: () => Promise<string>
      declare const draw: (view: import('parley-sdk').View) => void
      declare const warn: (text: string) => void
      declare const client: { query: (text: string, values?: readonly unknown[]) => Promise<{ rowCount: number | null; rows: unknown[] }> }
      declare const chargeCustomer: (client: unknown, data: unknown) => Promise<void>
      declare const parley: import('parley-sdk/server').ParleyServer
      declare const request: { readonly headers: Readonly<Record<string, string>> }
      declare const body: { readonly data: unknown }
    `
    await project.write('known.d.ts', known)
    const examples = await examplesIn('sdk/README.md', ['ts', 'tsx'])
    const examplesOf = await Promise.all(
      examples.map(async ({ line, language, code }) => {
        const file = `readme-${line}.${language}`
        await project.write(file, `${code}\nexport {}\n`)
        return file
      }),
    )
    expect(examplesOf.length).toBeGreaterThan(4)
    for (const { files, ...options } of [
      { module: 'nodenext', moduleResolution: 'nodenext', files: ['typed.ts'] },
      { module: 'esnext', moduleResolution: 'bundler', files: ['typed.ts', 'known.d.ts', ...examplesOf] },
    ]) {
      expect(await project.compile(files, options)).toBe('')
    }
  })

  test('is found by React Native, each entry and everything that it imports, and needs nothing that React Native lacks', async () => {
    const seen = new Set<string>()
    const open = ['', '/server', '/api', '/indexed-db', '/react'].map((entry) =>
      resolvedInReactNative(join(project.folder, 'app.js'), `parley-sdk${entry}`),
    )
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (seen.has(file) || !file.includes('parley-sdk')) continue
      seen.add(file)
      const code = await readFile(file, 'utf8')
      expect([file, /\bimport\.meta\b/.test(code)]).toEqual([file, false])
      for (const [, specifier = ''] of code.matchAll(/\bfrom\s*"([^"]+)"|\bimport\s*"([^"]+)"/g))
        open.push(resolvedInReactNative(file, specifier))
    }
    expect(seen.size).toBeGreaterThanOrEqual(5)
  })

  test('is built into a page by Vite, which leaves out what the page does not use', async () => {
    await project.write('index.html', '<script type="module" src="/page.js"></script>')
    await project.write(
      'page.js',
      `import { createParley } from 'parley-sdk'\ncreateParley({ url: location.origin, user: 'ann', getToken: async () => 't' })\n`,
    )
    const built = await build({ root: project.folder, logLevel: 'silent', build: { write: false, outDir: 'out' } })
    const outputs = z.array(
      z.object({ output: z.array(z.object({ fileName: z.string(), code: z.string().optional() })) }),
    )
    const code = outputs
      .parse(Array.isArray(built) ? built : [built])
      .flatMap(({ output }) => output)
      .map((chunk) => chunk.code ?? '')
      .join('')
    expect(code).toContain('/connection/websocket')
    expect(code).not.toContain('CREATE TABLE')
  })

  test('is at most 25 kB for a page, compressed, beside the realtime client it uses', async () => {
    await project.write('all.js', `import * as all from 'parley-sdk'\nconsole.log(all)\n`)
    const built = await build({
      root: project.folder,
      logLevel: 'silent',
      build: { write: false, rollupOptions: { input: join(project.folder, 'all.js'), external: ['centrifuge'] } },
    })
    const { output } = z.object({ output: z.array(z.object({ code: z.string().optional() })) }).parse(built)
    const { gzipSync } = await import('node:zlib')
    expect(gzipSync(output.map(({ code }) => code ?? '').join('')).length).toBeLessThan(25_000)
  })
})
