import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { answers, freePort } from '../ports.ts'
import type { Processes } from '../processes.ts'
import { workerdVersion } from '../report/versions.ts'
import type { Running, Target } from './target.ts'

const root = join(import.meta.dirname, '../..')
const serve = join(root, 'local/serve.ts')

/** Limits count every message here as everywhere, but must not be what is measured. */
const unlimited = '1000000'

/** Parley itself, as `npm run serve` runs it: plain workerd with the whole data plane behind it. */
export const parley: Target = {
  name: 'parley',
  what: 'gateway and conversation actors on plain workerd, Postgres written behind, as npm run serve starts it',

  async missing() {
    return existsSync(serve) ? undefined : 'local/serve.ts is not there'
  },

  start: (directory, processes) => serveParley(directory, processes),
}

/** Starts it with all its data under `directory`; `tuned` are further variables of its own. */
export async function serveParley(
  directory: string,
  processes: Processes,
  tuned: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const port = await freePort()
  const env = {
    PORT: String(port),
    PARLEY_PROFILE: 'dev',
    PARLEY_DATA: join(directory, 'parley'),
    LIMIT_MESSAGES_PER_SECOND: unlimited,
    LIMIT_REQUESTS_PER_SECOND: unlimited,
    CONNECTIONS_PER_ADDRESS: unlimited,
    ...tuned,
  }
  const server = processes.start({
    name: 'parley',
    command: process.execPath,
    args: [serve],
    env,
    cwd: root,
    logs: directory,
  })
  await server.ready(() => answers(`http://127.0.0.1:${port}/readyz`), 60_000)
  return {
    url: `ws://127.0.0.1:${port}/connection/websocket`,
    durability:
      'SQLite in WAL mode, synchronous=FULL: an fsync per merged batch before ack and deliveries; ' +
      'Postgres afterwards (fsync=on, synchronous_commit=on)',
    versions: { workerd: await workerdVersion() },
    stop: () => server.stop(),
  }
}

/** A Parley that is running already; nothing is known about what lies under it. */
export function runningParley(url: string): Target {
  return {
    name: 'parley',
    what: 'a running server',
    missing: async () => undefined,
    start: async () => ({ url, durability: 'as that server is set up', versions: {}, stop: async () => {} }),
  }
}
