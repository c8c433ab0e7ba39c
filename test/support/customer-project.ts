import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { buildSdk } from '../../local/build-sdk.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const packageJson = z.object({
  dependencies: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.unknown()),
})

/** A project of a customer in which the packed SDK is installed, without Parley's own packages. */
export class CustomerProject {
  readonly folder: string
  /** The package.json of the packed SDK. */
  readonly sdk: z.output<typeof packageJson>

  private constructor(folder: string, sdk: z.output<typeof packageJson>) {
    this.folder = folder
    this.sdk = sdk
  }

  static async make(): Promise<CustomerProject> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-customer-'))
    const copy = join(folder, 'copy')
    await mkdir(copy)
    for (const file of ['package.json', 'README.md']) await cp(join(root, 'sdk', file), join(copy, file))
    await buildSdk(join(copy, 'dist'))
    const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: copy })
    const [{ filename }] = z.tuple([z.object({ filename: z.string() })]).parse(JSON.parse(packed.stdout))
    const installed = join(folder, 'node_modules/parley-sdk')
    await mkdir(installed, { recursive: true })
    await run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
    await rm(copy, { recursive: true })
    const sdk = packageJson.parse(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')))
    const project = new CustomerProject(folder, sdk)
    for (const name of [
      ...Object.keys(sdk.dependencies),
      'openapi-typescript-helpers',
      'react',
      'react-dom',
      '@types/react',
      'csstype',
    ])
      await project.borrow(name)
    await project.write('package.json', JSON.stringify({ name: 'customer', type: 'module', private: true }))
    return project
  }

  /** Has a package of the repository as well. */
  async borrow(name: string): Promise<void> {
    const target = join(this.folder, 'node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await symlink(join(root, 'node_modules', name), target)
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text)
  }

  /** What tsc says of `files`, with these compiler options added to strict ones; nothing where all is well. */
  async compile(files: readonly string[], options: Readonly<Record<string, unknown>>): Promise<string> {
    const compilerOptions = {
      target: 'es2022',
      strict: true,
      noEmit: true,
      lib: ['es2024', 'dom', 'dom.iterable'],
      types: [],
      jsx: 'react-jsx',
      ...options,
    }
    await this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const compiled = await run(process.execPath, [tsc, '-p', this.folder]).catch((error: unknown) =>
      z.object({ stdout: z.string() }).parse(error),
    )
    return compiled.stdout
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}
