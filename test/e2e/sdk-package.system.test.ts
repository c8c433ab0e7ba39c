import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildSdk } from '../../local/build-sdk.ts'
import { System } from '../support/e2e/system.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const packageJson = z.object({
  dependencies: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.unknown()),
})

/** An empty project of a customer in which the package is installed, without Parley's own packages. */
let project: string
let system: System
let described: z.output<typeof packageJson>

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'parley-customer-'))
  const copy = join(project, 'copy')
  await mkdir(copy)
  for (const file of ['package.json', 'README.md']) await cp(join(root, 'sdk', file), join(copy, file))
  await buildSdk(join(copy, 'dist'))
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], { cwd: copy })
  const [{ filename }] = z.tuple([z.object({ filename: z.string() })]).parse(JSON.parse(packed.stdout))
  const installed = join(project, 'node_modules/parley-sdk')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(project, filename), '-C', installed, '--strip-components=1'])
  await rm(copy, { recursive: true })
  described = packageJson.parse(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')))
  for (const name of [...Object.keys(described.dependencies), 'openapi-typescript-helpers', 'react', 'react-dom'])
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name))
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'customer', type: 'module', private: true }))
  system = await System.start()
})

afterAll(async () => {
  system.abandon()
  await rm(project, { recursive: true, force: true })
})

/** A program of the customer, run by a version of Node; returns what it printed. */
async function program(node: string, name: string, source: string): Promise<string> {
  await writeFile(join(project, name), source)
  const env = { ...process.env, PARLEY_URL: `http://127.0.0.1:${system.port}` }
  const { stdout } = await run(node, [name], { cwd: project, env, timeout: 60_000 })
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
    const project = z.object({ version: z.string() })
    for (const [name, version] of Object.entries(described.dependencies)) {
      const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')
      expect([name, project.parse(JSON.parse(text)).version]).toEqual([name, version])
    }
    expect(Object.keys(described.exports)).toEqual([
      '.',
      './server',
      './api',
      './indexed-db',
      './react',
      './package.json',
    ])
  })

  test('sends a message from a server and shows it to a user, in each version of Node at hand', async () => {
    const source = `
      import { createApi } from 'parley-sdk/api'
      import { ParleyServer } from 'parley-sdk/server'
      import { createParley } from 'parley-sdk'
      import WebSocket from ${JSON.stringify(join(root, 'node_modules/ws/wrapper.mjs'))}
      const url = process.env.PARLEY_URL
      const api = createApi({ url, apiKey: 'demo-key' })
      const { data: made } = await api.POST('/v1/conversations', { body: { type: 'group', members: ['ann', 'ben'] } })
      const server = new ParleyServer({ url, apiKey: 'demo-key' })
      const parley = createParley({ url, user: 'ben', getToken: () => server.token('ben'), websocket: WebSocket })
      const conversation = parley.open(made.id)
      const heard = new Promise((resolve) => {
        conversation.changes.listen(() => {
          const line = conversation.view.lines.find(({ kind }) => kind === 'message')
          if (line !== undefined) resolve(line.text)
        })
      })
      await api.POST('/v1/conversations/{id}/messages', {
        params: { path: { id: made.id } },
        body: { clientId: 'm1', text: 'hello', user: 'ann' },
      })
      const refused = await api.GET('/v1/conversations/{id}', { params: { path: { id: 'no such one' } } }).catch((error) => error)
      console.log(JSON.stringify([await heard, refused.name, refused.kind]))
      parley.close()
    `
    for (const [index, node] of (await nodes()).entries()) {
      const printed = await program(node, `chat-${index}.mjs`, source)
      expect(JSON.parse(printed)).toEqual(['hello', 'ParleyError', 'notFound'])
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

  test('tells the compiler the fields of requests and answers, by both ways to resolve modules', async () => {
    await writeFile(
      join(project, 'typed.ts'),
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
    for (const options of [
      { module: 'nodenext', moduleResolution: 'nodenext' },
      { module: 'esnext', moduleResolution: 'bundler' },
    ]) {
      const compilerOptions = {
        ...options,
        target: 'es2022',
        strict: true,
        noEmit: true,
        lib: ['es2024', 'dom'],
        types: [],
      }
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }))
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const compiled = await run(process.execPath, [tsc, '-p', project]).catch((error: unknown) =>
        z.object({ stdout: z.string() }).parse(error),
      )
      expect(compiled.stdout).toBe('')
    }
  })

  test('is built into a page by Vite, which leaves out what the page does not use', async () => {
    await writeFile(join(project, 'index.html'), '<script type="module" src="/page.js"></script>')
    await writeFile(
      join(project, 'page.js'),
      `import { createParley } from 'parley-sdk'\ncreateParley({ url: location.origin, user: 'ann', getToken: async () => 't' })\n`,
    )
    const built = await build({ root: project, logLevel: 'silent', build: { write: false, outDir: 'out' } })
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
    await writeFile(join(project, 'all.js'), `import * as all from 'parley-sdk'\nconsole.log(all)\n`)
    const built = await build({
      root: project,
      logLevel: 'silent',
      build: { write: false, rollupOptions: { input: join(project, 'all.js'), external: ['centrifuge'] } },
    })
    const { output } = z.object({ output: z.array(z.object({ code: z.string().optional() })) }).parse(built)
    const { gzipSync } = await import('node:zlib')
    expect(gzipSync(output.map(({ code }) => code ?? '').join('')).length).toBeLessThan(25_000)
  })
})
