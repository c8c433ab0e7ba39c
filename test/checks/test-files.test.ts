import { globSync, readFileSync } from 'node:fs'
import { matchesGlob } from 'node:path'
import { readConfigureGlobal } from 'fast-check'
import { expect, inject, test } from 'vitest'
import { alone, projects, type TestFiles } from '../support/projects.ts'

const root = new URL('../..', import.meta.url).pathname
const files = globSync('test/**/*.test.ts', { cwd: root })

const runs =
  (file: string) =>
  ({ include, exclude }: TestFiles) =>
    include.some((glob) => matchesGlob(file, glob)) && !exclude.some((glob) => matchesGlob(file, glob))

test('every test file is run by one project of vitest', () => {
  expect(files.filter((file) => Object.values<TestFiles>(projects).filter(runs(file)).length !== 1)).toEqual([])
})

test('every glob of files that have a process of their own finds one', () => {
  const globs: readonly string[] = Object.values(alone).flat()
  expect(globs.filter((glob) => !files.some((file) => matchesGlob(file, glob)))).toEqual([])
})

test('no file that shares its process replaces a module, which may have been loaded already', () => {
  const shared = files.filter((file) => [projects.node, projects.workerd].some(runs(file)))
  expect(shared.filter((file) => /\bvi\.(?:do)?mock\(/i.test(readFileSync(root + file, 'utf8')))).toEqual([])
})

test('the same seed is given to the properties of all projects, and no test takes one from the clock', () => {
  const configs = globSync('vitest*.config.ts', { cwd: root })
  expect(configs.length).toBeGreaterThan(3)
  for (const config of configs)
    expect(readFileSync(root + config, 'utf8'), config).toMatch(/provide: (?:fixed|random)Seed\(\)/)
  expect(readConfigureGlobal().seed).toBe(inject('seed'))
  const offenders = globSync('test/**/*.ts', { cwd: root }).filter((file) =>
    /(?:seeded|chance|Chance)\((?:Date|performance|Math)\b|seed = (?:Date|performance)\b/.test(
      readFileSync(root + file, 'utf8'),
    ),
  )
  expect(offenders).toEqual([])
})
