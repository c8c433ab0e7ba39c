import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../support/e2e/system.ts'

/** A running Parley, and how to end it. */
export interface Server {
  readonly url: string
  /** Ends it and starts it again on what it has stored; undefined for one that was running already. */
  readonly restart?: () => Promise<void>
  stop(): Promise<void>
}

const readyWithinMs = 120_000
/** So few that a typing user exceeds it on a slow machine, too. */
const limits = { LIMIT_MESSAGES_PER_SECOND: '2' }

/** Starts the whole system in an empty folder on a free port; `PARLEY_URL` names one that runs already. */
export async function startServer({ guide = false }: { readonly guide?: boolean } = {}): Promise<Server> {
  const given = process.env['PARLEY_URL']
  if (given !== undefined) return { url: given, stop: async () => {} }

  const data = await mkdtemp(join(tmpdir(), 'parley-browser-'))
  const port = await freePort()
  const start = () => launch(port, data, guide)
  let child = await start()
  const restart = async () => {
    await end(child)
    child = await start()
  }
  const stop = async () => {
    await end(child)
    await rm(data, { recursive: true, force: true })
  }
  return { url: `http://127.0.0.1:${port}`, restart, stop }
}

async function launch(port: number, data: string, guide: boolean): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['local/start.ts'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, ...limits, PORT: String(port), PARLEY_DATA: data, PARLEY_GUIDE: guide ? 'on' : 'off' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  child.stdout.on('data', (chunk) => said.push(String(chunk)))
  child.stderr.on('data', (chunk) => said.push(String(chunk)))
  try {
    await ready(`http://127.0.0.1:${port}/readyz`, child)
    return child
  } catch (thrown) {
    await end(child)
    throw new Error(`local/start.ts did not become ready. It said:\n${said.join('')}`, { cause: thrown })
  }
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + readyWithinMs
  while (Date.now() < until && child.exitCode === null) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok === true) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(child.exitCode === null ? 'not ready in time' : `ended with code ${child.exitCode}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}
