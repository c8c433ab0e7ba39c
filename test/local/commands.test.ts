import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { readSettings } from '../../local/settings.ts'

const root = join(import.meta.dirname, '../..')
const scripts = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))).scripts

/** Runs a command in a shell; what it prints, and its exit code. */
function shell(command: string, cwd = root, env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; said: string }>((resolve) =>
    execFile('sh', ['-c', command], { cwd, env: { ...process.env, ...env } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), said: `${out}${err}`.trim() }),
    ),
  )
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-commands-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test.each(['start', 'serve', 'cron', 'shards', 'migrate', 'test', 'bench', 'torture', 'soak', 'check:deploy'])(
  'npm run %s without packages says to run npm ci first',
  async (name) => {
    const folder = temporary()
    mkdirSync(join(folder, 'local'))
    cpSync(join(root, 'local/run.js'), join(folder, 'local/run.js'))
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const { code, said } = await shell(scripts[name] ?? '', folder)
    expect({ code, said }).toEqual({ code: 1, said: 'parley: packages are missing; run npm ci first.' })
  },
)

test('a Node that does not read TypeScript hands over to the one from npm', async () => {
  const { code, said } = await shell('node --no-experimental-strip-types local/run.js local/start.ts --help')
  expect([code, said]).toEqual([0, expect.stringContaining('npm start [-- [--fresh] [--shards <number>]')])
})

test.each(['start', 'serve', 'cron', 'shards', 'migrate', 'check:deploy'])(
  'npm run %s -- --help says how it is used',
  async (name) => {
    const { code, said } = await shell(`${scripts[name]} --help`)
    expect([code, said]).toEqual([0, expect.stringMatching(new RegExp(`^npm (?:run )?${name}`))])
  },
)

test.each([
  [
    { SHARDS: 'a,b,c' },
    'SHARDS is for a real Postgres, but DATABASE_URL_DIRECTORY is not set; set it, or unset SHARDS.',
  ],
  [{ DATABASE_URL_SHARD0: 'postgres://x' }, /^DATABASE_URL_SHARD0 is for a real Postgres/],
  [{ UPSTASH_REDIS_REST_TOKEN: 'x' }, /^UPSTASH_REDIS_REST_TOKEN is for a real Redis/],
  [{ QSTASH_URL: 'http://x' }, /^QSTASH_URL is for a real QStash/],
  [{ REDIS_URL: 'redis://x', UPSTASH_REDIS_REST_URL: 'http://x' }, /^REDIS_URL and UPSTASH_REDIS_REST_URL/],
])('variables that would be ignored are refused: %j', (env, sentence) => {
  expect(() => readSettings(env, [])).toThrow(sentence)
})

test('the snippet of the README runs as it stands, also on a Node without a WebSocket of its own', async () => {
  const [, snippet = ''] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  const folder = temporary()
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  // Only its beginning is tried here: that nothing it names is missing, up to the first word to the server.
  writeFileSync(join(folder, 'snippet.mjs'), snippet.replaceAll('localhost:8787', '127.0.0.1:9'))
  const { said } = await shell('node --no-experimental-websocket snippet.mjs', folder)
  expect(said).toContain('fetch failed')
  expect(said).not.toContain('ReferenceError')
  expect(snippet).toContain("import WebSocket from 'ws'")
  expect(existsSync(join(root, 'node_modules/ws'))).toBe(true)
})
