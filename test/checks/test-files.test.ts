import { globSync } from 'node:fs'
import { matchesGlob } from 'node:path'
import { expect, test } from 'vitest'
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
