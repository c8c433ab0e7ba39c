import type { Bytes, Reply } from '../reply.ts'
import { errors } from './errors.ts'
import type { Keyspace } from './keyspace.ts'

/** What a command reads and writes. `now`, in epoch milliseconds, does not move during a transaction. */
export interface Context {
  readonly db: Keyspace
  readonly now: number
}

/**
 * One command. `arity` is Redis' own: the number of words including the name, negative for "at least". The engine checks
 * it before `run`, so the default values of destructured arguments are never used.
 */
export interface Command {
  readonly arity: number
  /** Whether the command may change the keyspace, so that a snapshot is due. */
  readonly writes: boolean
  /** `args` are the words after the name. Throws a RedisError that becomes the reply. */
  run(context: Context, args: Bytes[]): Reply
}

/** Commands by lower-case name. */
export type CommandTable = Readonly<Record<string, Command>>

export const reads = (arity: number, run: Command['run']): Command => ({ arity, writes: false, run })
export const writes = (arity: number, run: Command['run']): Command => ({ arity, writes: true, run })

const MAX_INT64 = 2n ** 63n - 1n

/** Whether a sum fits in the 64 bits of a Redis integer. */
export const fitsInt64 = (value: bigint): boolean => value >= -MAX_INT64 - 1n && value <= MAX_INT64

/** Reads a signed 64-bit integer in Redis' strict form: no plus, no leading zeros, no spaces. */
export function parseInt64(bytes: Bytes, error: () => Error = errors.notAnInteger): bigint {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(bytes) || !fitsInt64(BigInt(bytes))) throw error()
  return BigInt(bytes)
}

/** Reads option words one after another: loop while `more`, and throw `errors.syntax()` on an unknown word. */
export class Options {
  readonly #words: readonly Bytes[]
  #at = 0

  constructor(words: readonly Bytes[]) {
    this.#words = words
  }

  get more(): boolean {
    return this.#at < this.#words.length
  }

  /** The next word as an upper-case option name. */
  name(): string {
    return this.value().toUpperCase()
  }

  /** The next word unchanged. A missing word is a syntax error. */
  value(): Bytes {
    const word = this.#words[this.#at]
    if (word === undefined) throw errors.syntax()
    this.#at += 1
    return word
  }
}
