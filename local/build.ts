import { createHash } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, stop } from 'esbuild'
import { buildPage } from '../web/build.ts'

const root = join(import.meta.dirname, '..')

/** Builds the page and the Worker, as one module for plain workerd and Miniflare. Leaves nothing running. */
export async function buildAll(outfile = join(root, 'dist/worker.js')): Promise<void> {
  await buildPageModule()
  await build({
    entryPoints: [join(root, 'src/index.ts')],
    outfile,
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
  await stop()
}

/** Writes the page as a module that the Worker imports, with the hashes of its one script and one style. */
export async function buildPageModule(): Promise<void> {
  const { html, hashes } = await buildPage()
  const etag = `"${createHash('sha256').update(html).digest('base64url').slice(0, 22)}"`
  const page = { html, etag, scriptHash: hashes.script, styleHash: hashes.style }
  await mkdir(join(root, 'web/dist'), { recursive: true })
  // It appears whole: another start may be reading it just now.
  const draft = join(root, `web/dist/page.${process.pid}.js`)
  await writeFile(draft, `export default ${JSON.stringify(page)}\n`)
  await rename(draft, join(root, 'web/dist/page.js'))
}

if (process.argv[1] === import.meta.filename) await (process.argv.includes('--web') ? buildPageModule() : buildAll())
