import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { redisServerBackend } from '../../local/upstash/redis-server.ts'
import { type UpstashOptions, startUpstash } from '../../local/upstash/start.ts'
import { eventually } from './upstash.eventually.ts'
import type { Redis } from '@upstash/redis'

/** A server of Upstash's REST protocol over an empty database. */
export interface UpstashWorld {
  readonly url: string
  readonly token: string
  close(): Promise<void>
}

/** What each test of the contract uses. */
export interface Here {
  readonly world: UpstashWorld
  readonly redis: Redis
  /** A raw request with the right token; the body is sent as JSON unless it is text. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
}

/** A stand-in started with these options. */
export async function openWorld(options: Partial<UpstashOptions> = {}): Promise<UpstashWorld> {
  const upstash = await startUpstash({ token: 'secret-token', ...options })
  return { url: upstash.url, token: upstash.token, close: async () => await upstash.stop() }
}

/** A real Redis to compare with. */
export interface RealRedis {
  readonly url: string
  stop(): Promise<void>
}

/** How to get a real Redis on this machine, or why there is none. */
export function findRealRedis(): { name: string; start: () => Promise<RealRedis> } | { reason: string } {
  const url = process.env['PARLEY_REAL_REDIS_URL']
  if (url !== undefined) return { name: 'the Redis of PARLEY_REAL_REDIS_URL', start: () => visit(url) }
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return { name: 'redis-server of PATH', start: launch }
  } catch {
    return { reason: 'no real Redis: set PARLEY_REAL_REDIS_URL or install redis-server' }
  }
}

/** The tests flush every database, so a Redis that holds keys is refused. */
async function visit(url: string): Promise<RealRedis> {
  const keyspace = await ask(url, ['INFO', 'keyspace'])
  if (typeof keyspace !== 'string' || /^db\d/m.test(keyspace))
    throw new Error('PARLEY_REAL_REDIS_URL must name an empty Redis: these tests flush it')
  return { url, stop: async () => {} }
}

async function ask(url: string, command: string[]): Promise<unknown> {
  const redis = redisServerBackend(url)
  try {
    return (await redis.pipeline([command]))[0]
  } finally {
    await redis.stop()
  }
}

async function launch(): Promise<RealRedis> {
  const port = await freePort()
  const settings = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--daemonize',
    'no',
  ]
  const server = spawn('redis-server', settings, { stdio: 'ignore' })
  const url = `redis://127.0.0.1:${port}`
  await eventually(async () => await ask(url, ['PING']))
  return { url, stop: () => end(server) }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const exited = once(server, 'exit')
  server.kill('SIGTERM')
  await exited
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}
