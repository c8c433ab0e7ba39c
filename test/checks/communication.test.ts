import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { callsBetweenParts } from './calls-between-parts.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/design/communication.md'), 'utf8')

/** The rows of the tables: from, to, methods, kind, deadline, what happens when it fails. */
const rows = [...page.matchAll(/^\| `(?:src|durable-objects)\/.*\|$/gm)].map(([row]) =>
  row
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim()),
)
const namesIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
const listed = rows.flatMap(([from, to = '', methods]) =>
  namesIn(methods).map((method) => `${namesIn(from).join(' ')} → ${to}.${method}`),
)

const madeUpFile = 'durable-objects/made-up/made-up.ts'
const madeUp = `
import { conversationOf, limiterOf, tenantOf } from '../address.ts'
import { callInbox } from '../open-actors.ts'
import { selectTenants } from '../../src/adapters/neon/select-tenants.ts'
import type { Env } from '../../src/env.ts'

interface Eraser { erase(): Promise<void> }
const wipe = (eraser: Eraser): Promise<void> => eraser.erase()
interface Context { readonly exports: { readonly JobWorker: { run(): Promise<void> } } }

export async function all(env: Env, ctx: Context): Promise<void> {
  const stub = tenantOf(env, 'acme')
  const { record } = { record: () => stub.record() }
  void record
  await callInbox(env, 'acme', 'ada', (inbox) => inbox.revoke())
  await wipe(conversationOf(env, 'acme', 'c1'))
  await limiterOf(env, 'acme/x').refund(1, 0)
  await ctx.exports.JobWorker.run()
  await env.JOBS?.ready()
  const [first] = ['a'].filter((each) => each !== '')
  void [first].find((each) => each === 'a')
  await selectTenants(database, '', 1)
}
`

const found = callsBetweenParts({ [madeUpFile]: madeUp })
const isMadeUp = ({ at }: (typeof found)[number]): boolean => at.startsWith(madeUpFile)
const nameOf = ({ from, to, method }: (typeof found)[number]): string => `${from} → ${to}.${method}`

test('docs/design/communication.md has every call between parts', () => {
  const calls = found.filter((call) => !isMadeUp(call))
  expect(calls.length).toBeGreaterThan(400)
  const missing = calls.filter((call) => !listed.includes(nameOf(call)))
  expect(missing.map((call) => `${nameOf(call)} at ${call.at}`)).toEqual([])
})

test('docs/design/communication.md lists no call twice, and none that is gone', () => {
  const names = new Set(found.map(nameOf))
  expect(listed.filter((name) => !names.has(name))).toEqual([])
  expect(listed.filter((name, at) => listed.indexOf(name) !== at)).toEqual([])
})

test('docs/design/communication.md says of every call whether its caller waits, how long, and what happens when it fails', () => {
  const isWhole = ([, , , kind, deadline, failure]: string[]): boolean =>
    (kind === 'sync' || kind === 'async') && deadline !== '' && failure !== undefined && failure !== ''
  expect(rows.filter((row) => row.length !== 6 || !isWhole(row))).toEqual([])
})

test('a new call is found: on a stub in a variable, in a callback, through an interface, and of an entrypoint', () => {
  expect(new Set(found.filter(isMadeUp).map(nameOf))).toEqual(
    new Set([
      'durable-objects/made-up → Tenant.record',
      'durable-objects/made-up → Inbox.revoke',
      'durable-objects/made-up → Conversation.erase',
      ...['lease', 'leaseEach', 'settle', 'refund', 'refundOf'].map(
        (method) => `durable-objects/made-up → RateLimiter.${method}`,
      ),
      'durable-objects/made-up → JobWorker.run',
      'durable-objects/made-up → ContextWorker.ready',
      'durable-objects/made-up → Postgres.selectTenants',
    ]),
  )
})
