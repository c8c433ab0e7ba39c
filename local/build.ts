import { createHash } from 'node:crypto'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, stop } from 'esbuild'
import { buildPage, buildReference } from '../web/build.ts'
import { buildGuides } from './build-guides.ts'
import { buildSdk } from './build-sdk.ts'

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

/**
 * Builds `npx parley` as one file without dependencies: Node does not read TypeScript in packages. Run by `npm pack` in cli/. The native driver of
 * pg is left out, which it does not need.
 */
export async function buildCli(outfile = join(root, 'cli/dist/parley.js')): Promise<void> {
  await build({
    entryPoints: [join(root, 'local/parley-cli.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['pg-native', 'pg-cloudflare'],
    // pg is CommonJS.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)` },
    logLevel: 'warning',
  })
  await chmod(outfile, 0o755)
  await stop()
}

/** Writes the page, the API reference and the guides as modules that the Worker imports, the page with the hashes of its script and style. */
export async function buildPageModule(): Promise<void> {
  const { html, hashes } = await buildPage()
  const { script, style } = await buildReference()
  const etag = `"${digest(html)}"`
  const page = { html, etag, scriptHash: hashes.script, styleHash: hashes.style }
  await writeModule('page', page)
  const asset = (bytes: Buffer) => ({ gzip: bytes.toString('base64'), etag: `"${digest(bytes)}"` })
  await writeModule('reference', { script: asset(script), style: asset(style) })
  const guides = await buildGuides()
  const packed = guides.map(({ markdown, ...about }) => ({
    ...about,
    gzip: gzipSync(markdown, { level: 9 }).toString('base64'),
  }))
  await writeModule('guides', packed)
}

const digest = (content: string | Buffer): string =>
  createHash('sha256').update(content).digest('base64url').slice(0, 22)

/** A module with one value. It appears whole: another start may be reading it just now. */
async function writeModule(name: string, value: object): Promise<void> {
  await mkdir(join(root, 'web/dist'), { recursive: true })
  const draft = join(root, `web/dist/${name}.${process.pid}.js`)
  await writeFile(draft, `export default ${JSON.stringify(value)}\n`)
  await rename(draft, join(root, `web/dist/${name}.js`))
}

if (process.argv[1] === import.meta.filename) {
  if (process.argv.includes('--cli')) await buildCli()
  else if (process.argv.includes('--sdk')) await buildSdk()
  else await (process.argv.includes('--web') ? buildPageModule() : buildAll())
}
