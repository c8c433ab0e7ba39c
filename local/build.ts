import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { buildPage } from '../web/build.ts'

const root = join(import.meta.dirname, '..')
const workerFile = join(root, 'dist/worker.js')

/** Builds the page and the Worker, as one module for plain workerd and Miniflare; returns the module's path. */
export async function buildAll(): Promise<string> {
  await buildPageModule()
  await build({
    entryPoints: [join(root, 'src/index.ts')],
    outfile: workerFile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    minifySyntax: true,
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'warning',
  })
  return workerFile
}

/** Writes the page as a module that the Worker imports, with the hashes of its one script and one style. */
export async function buildPageModule(): Promise<void> {
  await buildPage()
  const html = await readFile(join(root, 'web/dist/page.html'), 'utf8')
  const hashes: { script: string; style: string } = JSON.parse(await readFile(join(root, 'web/dist/page.json'), 'utf8'))
  const etag = `"${createHash('sha256').update(html).digest('base64url').slice(0, 22)}"`
  const page = { html, etag, scriptHash: hashes.script, styleHash: hashes.style }
  await mkdir(join(root, 'web/dist'), { recursive: true })
  await writeFile(join(root, 'web/dist/page.js'), `export default ${JSON.stringify(page)}\n`)
}

if (import.meta.main) await (process.argv.includes('--web') ? buildPageModule() : buildAll())
