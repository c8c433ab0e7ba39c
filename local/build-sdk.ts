import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, normalize, relative } from 'node:path'
import { promisify } from 'node:util'
import { build, stop } from 'esbuild'
import { apiTypes } from './sdk-types.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const entries = ['index', 'server', 'api', 'indexed-db', 'react']

/**
 * Builds the package of the SDK into `outdir`: a module for each entry, what they share in chunks, and their types.
 * Run by `npm pack` in sdk/. What the SDK uses of the server's protocol is in the package, so that it needs nothing of src/.
 */
export async function buildSdk(outdir = join(root, 'sdk/dist')): Promise<void> {
  await rm(outdir, { recursive: true, force: true })
  await build({
    entryPoints: entries.map((name) => join(root, `sdk/${name}.ts`)),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    packages: 'external',
    chunkNames: 'chunks/[hash]',
    logLevel: 'warning',
  })
  await stop()
  await writeTypes(outdir)
}

/** The declarations that the entries reach, beside the modules; those of the protocol are in a folder of their own. */
async function writeTypes(outdir: string): Promise<void> {
  const declared = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
  try {
    await run(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(root, 'sdk/tsconfig.json'),
      '--outDir',
      declared,
    ])
    await writeFile(join(declared, 'sdk/api-types.d.ts'), await apiTypes())
    const open = entries.map((name) => `sdk/${name}.d.ts`)
    const written = new Set(open)
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      const text = ofThePackage(file, await readFile(join(declared, file), 'utf8'))
      const target = join(outdir, placeOf(file))
      await mkdir(dirname(target), { recursive: true })
      await writeFile(
        target,
        text.replaceAll(/(?<=from ')\.{1,2}\/[^']+(?=')/g, (path) => {
          const next = normalize(join(dirname(file ?? ''), path.replace(/\.[jt]s$/, '.d.ts')))
          if (!written.has(next)) open.push(next)
          written.add(next)
          const steps = relative(dirname(target), join(outdir, placeOf(next))).replace(/\.d\.ts$/, '.js')
          return steps.startsWith('.') ? steps : `./${steps}`
        }),
      )
    }
  } finally {
    await rm(declared, { recursive: true, force: true })
  }
}

const placeOf = (file: string): string => file.replace(/^sdk\//, '').replace(/^src\//, '')

/** In the repository these types come from the schemas of the server, in the package from the description of the API. */
const derived: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'sdk/sagas.d.ts': [
    ["import type { z } from 'zod';\n", ''],
    [
      "import type { sagaDefinition } from '../src/protocol/sagas-api.ts';",
      "import type { components } from './api-types.ts';",
    ],
    ['z.input<typeof sagaDefinition>', "components['schemas']['SagaDefinition']"],
  ],
  'sdk/api.d.ts': [
    [
      "import { type Client } from 'openapi-fetch';",
      "import { type Client } from 'openapi-fetch';\nimport type { paths } from './api-types.ts';",
    ],
    ['<Paths extends object>', '<Paths extends object = paths>'],
  ],
}

function ofThePackage(file: string, text: string): string {
  let result = text
  for (const [old, replacement] of derived[file] ?? []) {
    if (!result.includes(old)) throw new Error(`the declaration ${file} has no ${JSON.stringify(old)} any more`)
    result = result.replaceAll(old, replacement)
  }
  if (/from '(?:zod|\.\.\/\.\.\/durable-objects)/.test(result))
    throw new Error(`the declaration ${file} needs the server's packages`)
  return result
}
