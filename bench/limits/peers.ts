import { createHash } from 'node:crypto'
import { Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis'
import { createClient } from 'redis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { startUpstash } from '../../local/upstash/start.ts'
import { freePort } from '../ports.ts'
import { type Processes, pause } from '../processes.ts'
import { loadLanes, type Result } from './result.ts'

/** One decision at a peer: may `key` do one more? */
export type Decide = (key: string) => Promise<boolean>

/** A limiter that keeps its count in Redis. `perSecond` and `burst` where it knows the two apart. */
export interface Peer {
  readonly name: string
  /** One line for the report. */
  readonly what: string
  readonly create: (perSecond: number) => Decide
  /** What it promises: a bucket, or at most so many in any second. */
  readonly promises: 'bucket' | 'any second'
}

/** Peers on one redis-server, and how many commands that has processed. */
export interface Peers {
  readonly peers: readonly Peer[]
  commands(): Promise<number>
  stop(): Promise<void>
}

/** Starts a real redis-server without persistence, and the Upstash REST front before it. */
export async function startPeers(processes: Processes, logs: string): Promise<Peers> {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = processes.start({ name: 'redis-server', command: 'redis-server', args, logs })
  await server.ready(() => pings(port), 10_000)
  const client = createClient({ url: `redis://127.0.0.1:${port}` })
  client.on('error', () => {})
  await client.connect()
  const front = await startUpstash({ token: 'bench', redisUrl: `redis://127.0.0.1:${port}` })
  const upstash = forPlainRedis(new Redis({ url: front.url, token: front.token, enableTelemetry: false }))
  return {
    peers: peersOn(client, upstash),
    commands: async () => Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1] ?? 0),
    stop: async () => {
      client.destroy()
      await front.stop()
      await server.stop()
    },
  }
}

/**
 * `@upstash/ratelimit` starts its scripts with `#!lua flags=allow-key-locking`, which plain Redis refuses ("Unexpected
 * flag in script shebang"). This removes the line and maps the SHA-1 of the text that was sent to that of the plain text.
 */
export function forPlainRedis(redis: Redis): Redis {
  const [evaluate, evaluateSha] = [redis.eval, redis.evalsha]
  const plainNames = new Map<string, string>()
  const sha1 = (source: string) => createHash('sha1').update(source).digest('hex')
  // A derived object, since the SDK's own is a proxy that answers these names before its properties do.
  const plainRedis: Redis = Object.create(redis)
  plainRedis.eval = (source, keys, args) => {
    const plain = source.replace(/^#!lua +flags=allow-key-locking *(?=\n)/, '')
    plainNames.set(sha1(source), sha1(plain))
    return evaluate(plain, keys, args)
  }
  plainRedis.evalsha = (sha, keys, args) => evaluateSha(plainNames.get(sha) ?? sha, keys, args)
  return plainRedis
}

/** Puts a load on a peer: `lanes` decisions under way at once, each lane with its own key or all with one. */
export async function loadPeer(
  decide: Decide,
  { lanes, ms, keys }: { readonly lanes: number; readonly ms: number; readonly keys: number },
): Promise<Result> {
  const result = await loadLanes(lanes, ms, (lane, round) => decide(`user${(lane + round * lanes) % keys}`))
  return { ...result, calls: result.decisions }
}

function peersOn(client: unknown, redis: Redis): Peer[] {
  const upstash = (limiter: ConstructorParameters<typeof Ratelimit>[0]['limiter'], prefix: string): Decide => {
    const ratelimit = new Ratelimit({ redis, limiter, prefix, timeout: 0 })
    return async (key) => (await ratelimit.limit(key)).success
  }
  return [
    {
      name: 'rate-limiter-flexible',
      what: 'one Lua script per decision on a Redis beside it, 64 at once; a window that the first decision opens',
      promises: 'any second',
      create: (points) => {
        const limiter = new RateLimiterRedis({
          storeClient: client,
          useRedisPackage: true,
          points,
          duration: 1,
          keyPrefix: `rlf${points}`,
        })
        return (key) => limiter.consume(key).then(() => true, refused)
      },
    },
    {
      name: '@upstash/ratelimit, sliding window',
      what: 'over REST, on the same Redis behind the stand-in for Upstash, 64 at once',
      promises: 'any second',
      create: (limit) => upstash(Ratelimit.slidingWindow(limit, '1 s'), `slide${limit}`),
    },
    {
      name: '@upstash/ratelimit, token bucket',
      what: 'the same way',
      promises: 'bucket',
      create: (limit) => upstash(Ratelimit.tokenBucket(limit, '1 s', limit), `bucket${limit}`),
    },
  ]
}

/** It refuses by throwing how things stand, and fails by throwing an Error. */
function refused(thrown: unknown): false {
  if (thrown instanceof Error) throw thrown
  return false
}

async function pings(port: number): Promise<boolean> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } finally {
    client.destroy()
    await pause(0)
  }
}
