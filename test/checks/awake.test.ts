import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Code that runs in actors. The edge, scheduled tasks and worker runs are requests of the Worker. */
const inActors = [
  'durable-objects/**/*.ts',
  'src/{adapters,cache,kernel,limits,conversations,topics,inbox,realtime,jobs,history,auth,tenants,resilience}/**/*.ts',
]

const holds = /\b(setTimeout|setInterval|waitUntil|scheduler\.wait|within)\(|\b(AbortSignal\.timeout)\b/g
const isCode = (line: string): boolean => !/^\s*(?:\/\/|\/?\*)/.test(line) && !/function within|import /.test(line)

/** Every place in the code of actors that may keep one awake, as `file kind`. */
function places(): string[] {
  const files = inActors.flatMap((pattern) => globSync(pattern, { cwd: root }))
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .filter(isCode)
      .flatMap((line) => [...line.matchAll(holds)].map(([, call, timeout]) => `${file} ${call ?? timeout}`)),
  )
}

test('docs/design/awake.md says of every timer, wait and waitUntil of an actor how long it keeps the actor awake', () => {
  const rows = [...read('docs/design/awake.md').matchAll(/^\| `([^`]+)` \| `([^`]+)` \| [^|]+ \| [^|]+ \|$/gm)]
  const listed = rows.map(([, file, kind]) => `${file} ${kind}`)
  expect(listed.toSorted()).toEqual(places().toSorted())
})

test('no actor uses AbortSignal.timeout, whose timer cannot end before it rings', () => {
  expect(places().filter((place) => place.endsWith('AbortSignal.timeout'))).toEqual([])
})
