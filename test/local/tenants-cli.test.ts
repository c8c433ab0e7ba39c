import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MoveView } from '../../src/protocol/moves-api.ts'

const root = join(import.meta.dirname, '../..')
const view: MoveView = {
  from: 'eu1',
  to: 'eu2',
  serving: 'eu2',
  state: 'awaiting-confirmation',
  isReversing: false,
  isPaused: false,
  table: null,
  rows: { estimated: 10, copied: 10, perSecond: 0, caughtUp: 0, compared: 10, differing: 0, deleted: 0 },
  differingIn: [],
  pauseMs: 20,
  fences: 1,
  startedAt: 0,
  switchedAt: 1,
  endedAt: null,
  failures: 0,
  nextAt: 0,
  error: null,
}

/** Answers every look at a move; a decision ends it. */
const server = createServer((request, response) => {
  if (request.url?.includes('/storage'))
    return void response.end(JSON.stringify(pages[request.url.split('cursor=')[1] ?? '']))
  const isEnded = request.method === 'POST' && !request.url?.endsWith('/moves')
  if (isEnded) ended.add(request.url?.split('/')[4] ?? '')
  const endedAt = ended.has(request.url?.split('/')[4] ?? '') ? 2 : null
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ ...view, state: endedAt === null ? view.state : 'confirmed', endedAt }))
})
const ended = new Set<string>()
const pages: Readonly<Record<string, object>> = {
  '': { actors: [{ class: 'Conversation', actors: 100, bytes: 1_000_000 }], next: '0 shard0' },
  '0%20shard0': {
    actors: [
      { class: 'Conversation', actors: 30, bytes: 100_000 },
      { class: 'Inbox', actors: 2, bytes: 20_000 },
    ],
    next: null,
  },
}

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve())))
afterAll(() => server.close())

async function run(...words: readonly string[]) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo
  const child = spawn(process.execPath, ['local/tenants-cli.ts', ...words, '--url', `http://127.0.0.1:${port}`], {
    cwd: root,
    env: { ...process.env, ADMIN_KEY: 'a'.repeat(32) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { out: out.trim(), err: err.trim() }
}

test('npm run tenants starts a move and shows its progress until it waits for the operator', async () => {
  expect(await run('move', 'acme', '--to', 'eu2', '--rows-per-second', '5000')).toEqual({
    out: 'acme: eu1 → eu2, awaiting-confirmation, writes waited 20 ms',
    err: '',
  })
})

test('npm run tenants confirms a move and shows its progress until it has ended', async () => {
  expect(await run('confirm', 'other')).toEqual({
    out: 'other: eu1 → eu2, confirmed, writes waited 20 ms',
    err: '',
  })
})

test('npm run tenants adds up what the actors of a tenant store', async () => {
  expect(await run('storage', 'acme')).toEqual({
    out: 'Conversation: 130 actors, 1,100,000 bytes\nInbox: 2 actors, 20,000 bytes\nall: 132 actors, 1,120,000 bytes',
    err: '',
  })
})
