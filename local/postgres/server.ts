import { setTimeout as pause } from 'node:timers/promises'
import { PostgresError, words } from './errors.ts'
import { freeLock } from './lock.ts'
import { freePort } from './ports.ts'
import type { Launch, Postmaster } from './postmaster.ts'
import { spawnPostmaster } from './postmaster.ts'
import { answers } from './ready.ts'

/** A server to keep running. */
export interface ServerSpec extends Omit<Launch, 'port'> {
  /** For log lines: `primary` or `replica`. */
  readonly name: string
  /** Fixed port; a free one is found when absent. */
  readonly port: number | undefined
  readonly password: string
}

/** A start is tried again this often: the port was taken meanwhile, or a killed server's memory is still attached. */
const attempts = 20
/** After this many restarts with no quiet minute between, the server is left down. */
const restarts = 5
const quietMinute = 60_000

/** A server that answers, and is started again on its port if its process ends on its own. */
export class Server {
  readonly port: number
  readonly #spec: ServerSpec
  readonly #kept: Promise<void>
  #postmaster: Postmaster
  #stopping = false

  private constructor(spec: ServerSpec, { port, postmaster }: Started) {
    this.port = port
    this.#spec = { ...spec, port }
    this.#postmaster = postmaster
    this.#kept = this.#keepUp()
  }

  /** Starts a server and waits until it takes queries. Throws {@link PostgresError} with the server's own last words. */
  static async start(spec: ServerSpec): Promise<Server> {
    return new Server(spec, await startOnce(spec))
  }

  /** Clean and final: nothing restarts afterwards. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#postmaster.stop()
    await this.#kept
  }

  async #keepUp(): Promise<void> {
    let left = restarts
    while (left-- > 0) {
      const since = Date.now()
      await this.#postmaster.ended
      if (this.#stopping) return
      if (Date.now() - since > quietMinute) left = restarts
      if (!(await this.#startAgain())) return
      // stop() came while we were at it, and knew only the process before this one.
      if (this.#stopping) return await this.#postmaster.stop()
    }
    this.#spec.log(`The ${this.#spec.name} keeps ending: it is left down.`)
  }

  async #startAgain(): Promise<boolean> {
    const { name, log } = this.#spec
    log(`The ${name} ended on its own: starting it again.`)
    try {
      this.#postmaster = (await startOnce(this.#spec)).postmaster
      return true
    } catch (error) {
      log(words(error))
      return false
    }
  }
}

interface Started {
  readonly port: number
  readonly postmaster: Postmaster
}

async function startOnce(spec: ServerSpec): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    await freeLock(spec.folder)
    const port = spec.port ?? (await freePort())
    const postmaster = spawnPostmaster({ ...spec, port })
    const outcome = await firstOf(postmaster, port, spec.password)
    if (outcome.kind === 'ready') return { port, postmaster }
    await postmaster.stop()
    if (attempt === attempts || !passing(outcome.words, spec.port !== undefined)) throw refused(spec, outcome.words)
    await pause(50)
  }
}

type Outcome = { kind: 'ready' } | { kind: 'failed'; words: string }

async function firstOf(postmaster: Postmaster, port: number, password: string): Promise<Outcome> {
  const over = new AbortController()
  try {
    return await Promise.race([
      answers({ port, password, signal: over.signal }).then((): Outcome => ({ kind: 'ready' })),
      postmaster.ended.then((words): Outcome => ({ kind: 'failed', words })),
    ])
  } catch (error) {
    return { kind: 'failed', words: String(error) }
  } finally {
    over.abort()
  }
}

/** Reasons that go away by trying again; a taken port does only if we may choose another. */
function passing(words: string, portIsFixed: boolean): boolean {
  if (words.includes('Address already in use')) return !portIsFixed
  return words.includes('is still in use') || words.includes('lock file')
}

function refused(spec: ServerSpec, words: string): PostgresError {
  const lines = words.split('\n').filter((line) => line !== '')
  // Why a port could not be bound is told before the fatal line, which then says only that none could.
  const telling = [/could not bind/, /^(?:FATAL|PANIC):/, /./].map((it) => lines.findLast((line) => it.test(line)))
  const reason = telling.find((line) => line !== undefined) ?? 'it said nothing'
  return new PostgresError(`The Postgres ${spec.name} on ${spec.folder} did not start: ${reason}`)
}
