import { createHash } from 'node:crypto'
import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'

const upstashShebang = /^#!lua +flags=allow-key-locking *(?=\n)/
const sha1 = (source: Bytes): Bytes => createHash('sha1').update(source, 'latin1').digest('hex')

/**
 * Makes Upstash's scripts run on a plain Redis.
 *
 * `@upstash/ratelimit` starts its scripts with `#!lua flags=allow-key-locking`, which Redis refuses: "Unexpected flag
 * in script shebang". The line is taken away, its newline kept. The client goes on naming the script by the SHA-1 of
 * the text it sent, so that name is remembered as an alias.
 */
export class ScriptAliases {
  readonly #plainNames = new Map<Bytes, Bytes>()

  /** The command to send to Redis instead. */
  translate(command: Bytes[]): Bytes[] {
    const [name = '', first = '', ...rest] = command
    switch (name.toUpperCase()) {
      case 'EVAL':
      case 'EVAL_RO':
        return [name, this.#strip(first), ...rest]
      case 'EVALSHA':
      case 'EVALSHA_RO':
        return [name, this.#plainName(first), ...rest]
      case 'SCRIPT':
        return this.#translateScript(command)
      default:
        return command
    }
  }

  /** The reply to give back: SCRIPT LOAD must answer the name the client expects. */
  restore([name = '', subcommand = '', source = '']: Bytes[], reply: Reply): Reply {
    const isLoad = name.toUpperCase() === 'SCRIPT' && subcommand.toUpperCase() === 'LOAD'
    return isLoad && typeof reply === 'string' ? sha1(source) : reply
  }

  #translateScript([name = '', subcommand = '', ...args]: Bytes[]): Bytes[] {
    if (args.length === 0) return subcommand === '' ? [name] : [name, subcommand]
    const isLoad = subcommand.toUpperCase() === 'LOAD'
    const isExists = subcommand.toUpperCase() === 'EXISTS'
    return [name, subcommand, ...args.map((arg) => (isLoad ? this.#strip(arg) : isExists ? this.#plainName(arg) : arg))]
  }

  #strip(source: Bytes): Bytes {
    const plain = source.replace(upstashShebang, '')
    if (plain !== source) this.#plainNames.set(sha1(source), sha1(plain))
    return plain
  }

  #plainName(sha: Bytes): Bytes {
    return this.#plainNames.get(sha.toLowerCase()) ?? sha
  }
}
