import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildPageModule } from '../../local/build.ts'
import { bugs, type Bug } from './bugs.ts'

const root = join(import.meta.dirname, '../..')
const copied = ['src', 'durable-objects', 'local', 'migrations', 'sdk', 'test', 'web', 'package.json', 'wrangler.toml']
const copy = mkdtempSync(join(tmpdir(), 'parley-bugs-'))

// Bugs are made in a copy of the sources, one at a time.
beforeAll(async () => {
  // What runs inside workerd imports the page.
  await buildPageModule()
  for (const name of [...copied, 'tsconfig.json', 'tsconfig.base.json', 'tsconfig.node.json', 'vitest.config.ts'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  mkdirSync(join(copy, '.vite'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
})

afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** Runs these of the short tests in the copy; what they said when they failed, undefined when they passed. */
function failure(tests: readonly string[]): string | undefined {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--project', 'node*', '--project', 'workerd*', '--bail', '1', '--root', copy, ...tests]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })
  return status === 0 ? undefined : stdout + stderr
}

function failureWith({ file, from, to, tests }: Bug): string | undefined {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  expect(source.split(from).length - 1, `${file} has these words once: ${from}`).toBe(1)
  writeFileSync(
    path,
    source.replace(from, () => to),
  )
  try {
    return failure(tests)
  } finally {
    writeFileSync(path, source)
  }
}

test('without a bug the tests that are to see them pass', () => {
  expect(failure([...new Set(bugs.flatMap(({ tests }) => tests))])).toBeUndefined()
})

describe('the short tests see within a minute that', () => {
  test.each(bugs)('$name', (bug) => {
    const began = performance.now()
    const said = failureWith(bug)
    const tookMs = performance.now() - began
    expect(said).toMatch(/AssertionError|Error: /)
    expect(said).not.toMatch(/Failed to load|PARSE_ERROR|Transform failed/)
    expect(tookMs).toBeLessThan(60_000)
  })
})
