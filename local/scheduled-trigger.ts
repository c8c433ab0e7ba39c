import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { LocalError } from './local-error.ts'

/**
 * A small worker beside those of the system. It listens on loopback and calls `scheduled` of each of them over service
 * bindings, for callers that know its token.
 */
export interface Trigger {
  readonly port: number
  readonly token: string
  /** The source of the worker: one ES module with the bindings `WORKER_…` and `TOKEN`. */
  readonly module: string
  /** Runs `scheduled` of each worker once; throws {@link LocalError} when the worker refuses or fails. */
  run(cron: string, at: Date): Promise<void>
}

/** Runs longer than this are given up by the caller, in milliseconds; the archive of a month may take minutes. */
const runWithinMs = 600_000

const module = `
export default {
  async fetch(request, env) {
    if (request.method !== 'POST' || request.headers.get('authorization') !== 'Bearer ' + env.TOKEN)
      return new Response('Unauthorized', { status: 401 })
    const { cron, scheduledTime } = await request.json()
    try {
      const workers = Object.keys(env).filter((name) => name.startsWith('WORKER_'))
      await Promise.all(workers.map((name) => env[name].scheduled({ cron, scheduledTime })))
      return new Response('ok')
    } catch (thrown) {
      return new Response(String(thrown), { status: 500 })
    }
  },
}
`

/** Chooses a free port and a token. */
export async function makeTrigger(): Promise<Trigger> {
  const port = await freePort()
  const token = randomBytes(32).toString('base64url')
  return {
    port,
    token,
    module,
    run: async (cron, at) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
        body: JSON.stringify({ cron, scheduledTime: at.getTime() }),
        signal: AbortSignal.timeout(runWithinMs),
      })
      const text = await answer.text()
      if (!answer.ok) throw new LocalError(`scheduled() for "${cron}" failed with ${answer.status}: ${text}`)
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => resolve())
  })
  const address = probe.address()
  await new Promise((closed) => probe.close(closed))
  if (address === null || typeof address === 'string') throw new LocalError('no free port on loopback')
  return address.port
}
