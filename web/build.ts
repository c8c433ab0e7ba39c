import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The built page and the hashes of its one script and one style. */
interface Page {
  readonly html: string
  readonly hashes: { readonly script: string; readonly style: string }
}

/**
 * Builds the chat page as one file, `dist/page.html`, which asks the network for nothing but the API;
 * and `dist/page.json`, the hashes by which a content security policy may allow its one script and one style.
 */
export async function buildPage(): Promise<Page> {
  const [template, script, style] = await Promise.all([
    readFile(at('page.html'), 'utf8'),
    bundle('main.ts'),
    bundle('styles/page.css'),
  ])
  const inlineScript = safeInside('script', script)
  const inlineStyle = safeInside('style', style)
  const page = template
    .replace('<!--style-->', () => `<style>${inlineStyle}</style>`)
    .replace('<!--script-->', () => `<script type="module">${inlineScript}</script>`)
  const hashes = { script: cspHash(inlineScript), style: cspHash(inlineStyle) }

  await mkdir(at('dist'), { recursive: true })
  await writeFile(at('dist/page.html'), page)
  await writeFile(at('dist/page.json'), `${JSON.stringify(hashes, null, 2)}\n`)
  return { html: page, hashes }
}

/** The reference of the API: Swagger UI with its start, and its style, each compressed with gzip. */
export async function buildReference(): Promise<{ readonly script: Buffer; readonly style: Buffer }> {
  const swagger = (name: string) => readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)), 'utf8')
  const [library, start, libraryStyle, style] = await Promise.all([
    swagger('swagger-ui-bundle.js'),
    readFile(at('reference/start.js'), 'utf8'),
    swagger('swagger-ui.css'),
    readFile(at('reference/reference.css'), 'utf8'),
  ])
  const withoutMap = (text: string) => text.replaceAll(/^(?:\/\/|\/\*)# sourceMappingURL=.*$/gm, '')
  const packed = (...parts: readonly string[]) => gzipSync(parts.map(withoutMap).join('\n'), { level: 9 })
  return { script: packed(library, start), style: packed(libraryStyle, style) }
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [at(entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome114', 'safari17', 'firefox125'],
    legalComments: 'none',
    charset: 'utf8',
  })
  return (outputFiles[0]?.text ?? '').trim()
}

/** Inside an element its own end tag would end it early; escaped it means the same to script and style. */
const safeInside = (element: 'script' | 'style', code: string): string =>
  code.replaceAll(new RegExp(`</(?=${element})`, 'gi'), String.raw`<\/`).replaceAll('<!--', String.raw`<\!--`)

const cspHash = (inline: string): string => `sha256-${createHash('sha256').update(inline).digest('base64')}`

if (import.meta.main) await buildPage()
