import { join } from 'node:path'
import { Client } from 'pg'
import { startPostgres } from '../../local/postgres/start.ts'
import { answers, freePort } from '../ports.ts'
import type { Processes, StartedProcess } from '../processes.ts'
import { onPath, redisVersion } from '../report/versions.ts'
import type { Target } from './target.ts'

const server = join(import.meta.dirname, '../peers/glued-server.ts')

/** The bucket is asked for every message, but must not be what is measured. */
const unlimited = '1000000'

/** Socket.IO, Redis and Postgres, glued together as a competent team would. */
export const glued: Target = {
  name: 'glued',
  what: 'Socket.IO with its Redis adapter, one INSERT per message into Postgres, a Lua token bucket in Redis',

  async missing() {
    return onPath('redis-server') ? undefined : 'redis-server is not on the PATH (apt-get install redis-server)'
  },

  async start(directory, processes) {
    const postgres = await startPostgres({
      dataDir: join(directory, 'postgres'),
      databases: ['bench'],
      replica: false,
    })
    try {
      const database = postgres.url('bench')
      const settings = await readSettings(database)
      const redis = await startRedis(directory, processes)
      const app = await startServer(directory, processes, database, redis.url)
      return {
        url: `${app.url}/socket.io/?EIO=4&transport=websocket`,
        durability:
          `Postgres: fsync=${settings.fsync}, synchronous_commit=${settings.synchronous_commit}, ` +
          'one commit per message before ack and deliveries; Redis: nothing is kept',
        versions: {
          postgres: settings.server_version,
          redis: await redisVersion(),
        },
        async stop() {
          await app.process.stop()
          await Promise.all([redis.process.stop(), postgres.stop()])
        },
      }
    } catch (error) {
      await postgres.stop()
      throw error
    }
  },
}

/** Asked of the server rather than assumed, since the report states them. */
async function readSettings(url: string): Promise<Record<'fsync' | 'synchronous_commit' | 'server_version', string>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const show = async (name: string) =>
    String((await client.query({ text: `show ${name}`, rowMode: 'array' })).rows[0]?.[0])
  const settings = {
    fsync: await show('fsync'),
    synchronous_commit: await show('synchronous_commit'),
    server_version: await show('server_version'),
  }
  await client.end()
  return settings
}

interface Up {
  process: StartedProcess
  url: string
}

async function startRedis(directory: string, processes: Processes): Promise<Up> {
  const port = await freePort()
  const quiet = ['--appendonly', 'no', '--save', '', '--bind', '127.0.0.1', '--dir', directory]
  const args = ['--port', String(port), ...quiet]
  return {
    process: processes.start({ name: 'redis', command: 'redis-server', args, logs: directory }),
    url: `redis://127.0.0.1:${port}`,
  }
}

async function startServer(directory: string, processes: Processes, database: string, redis: string): Promise<Up> {
  const port = await freePort()
  const env = {
    NODE_ENV: 'production',
    PORT: String(port),
    DATABASE_URL: database,
    REDIS_URL: redis,
    MESSAGES_PER_SECOND: unlimited,
  }
  const started = processes.start({ name: 'glued', command: process.execPath, args: [server], env, logs: directory })
  await started.ready(() => answers(`http://127.0.0.1:${port}/healthz`), 15_000)
  return { process: started, url: `ws://127.0.0.1:${port}` }
}
