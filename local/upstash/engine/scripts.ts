import { createHash } from 'node:crypto'
import type { Bytes } from '../bytes.ts'
import { type Reply, failure, isFailure } from '../reply.ts'
import { RedisError } from './errors.ts'
import type { LuaMachine } from './lua/machine.ts'
import { parseInteger } from './numbers.ts'

const SHA1_LENGTH = 40
const noScript = () => new RedisError('NOSCRIPT No matching script. Please use EVAL.')

/** The name Redis gives a script: the SHA-1 of its bytes, in lower-case hex. */
export const sha1 = (source: Bytes): Bytes => createHash('sha1').update(source, 'latin1').digest('hex')

/** The scripts that have been loaded or run. Like Redis' own cache it is not part of a snapshot. */
export class Scripts {
  readonly #lua: LuaMachine
  readonly #call: (command: Bytes[]) => Reply
  readonly #known = new Set<Bytes>()

  constructor(lua: LuaMachine, call: (command: Bytes[]) => Reply) {
    this.#lua = lua
    this.#call = call
  }

  /** EVAL: `rest` is numkeys, then keys, then arguments. */
  evaluate(source: Bytes, rest: Bytes[]): Reply {
    const call = readCall(rest)
    return this.#run(this.load(source), call)
  }

  /** EVALSHA. */
  evaluateSha(sha: Bytes, rest: Bytes[]): Reply {
    if (sha.length !== SHA1_LENGTH) throw noScript()
    const call = readCall(rest)
    if (!this.has(sha)) throw noScript()
    return this.#run(sha.toLowerCase(), call)
  }

  /** Compiles a script and answers its name; throws what the compiler says. */
  load(source: Bytes): Bytes {
    const sha = sha1(source)
    if (this.#known.has(sha)) return sha
    const problem = this.#lua.compile(sha, withoutShebang(source))
    if (isFailure(problem)) throw new RedisError(problem.text)
    this.#known.add(sha)
    return sha
  }

  /** Whether EVALSHA would find it. */
  has(sha: Bytes): boolean {
    return this.#known.has(sha.toLowerCase())
  }

  /** Forgets every script. */
  flush(): void {
    this.#known.clear()
    this.#lua.forget()
  }

  #run(sha: Bytes, { keys, args }: Call): Reply {
    const reply = this.#lua.run(sha, keys, args, this.#call)
    return isFailure(reply) ? failure(reply.text.replaceAll(/[\r\n]/g, ' ')) : reply
  }
}

interface Call {
  readonly keys: Bytes[]
  readonly args: Bytes[]
}

function readCall([numkeys = '', ...words]: Bytes[]): Call {
  const amount = parseInteger(numkeys)
  if (amount > words.length) throw new RedisError("ERR Number of keys can't be greater than number of args")
  if (amount < 0) throw new RedisError("ERR Number of keys can't be negative")
  return { keys: words.slice(0, amount), args: words.slice(amount) }
}

/**
 * Takes a `#!lua flags=…` line away, keeping its newline so that line numbers in errors stay true.
 *
 * `allow-key-locking` is Upstash's own and asks for nothing here, where one script runs at a time. Other flags would
 * ask for checks the engine does not make, so they are refused.
 */
function withoutShebang(source: Bytes): Bytes {
  if (!source.startsWith('#!')) return source
  const end = source.indexOf('\n')
  if (end === -1) throw new RedisError('ERR Invalid script shebang')
  const [engine = '', ...settings] = source.slice(0, end).trim().split(/\s+/)
  if (engine !== '#!lua') throw new RedisError(`ERR Unexpected engine in script shebang: ${engine}`)
  for (const setting of settings) {
    if (!setting.startsWith('flags=')) throw new RedisError(`ERR Unknown lua shebang option: ${setting}`)
    const unknown = setting
      .slice('flags='.length)
      .split(',')
      .find((flag) => flag !== '' && flag !== 'allow-key-locking')
    if (unknown !== undefined) throw new RedisError(`ERR Unexpected flag in script shebang: ${unknown}`)
  }
  return source.slice(end)
}
