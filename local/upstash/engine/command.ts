import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import type { Keyspace } from './keyspace.ts'
import type { PubSub } from './pubsub.ts'
import type { Scripts } from './scripts.ts'

/** What a command may touch. `now` is in epoch milliseconds and stands still for a whole script or transaction. */
export interface Context {
  readonly db: Keyspace
  readonly pubsub: PubSub
  readonly scripts: Scripts
  readonly now: number
}

/**
 * One command of the engine.
 *
 * `arity` is Redis' own: the number of words with the name, negative for "at least". It is checked before `run`,
 * which is why handlers may destructure their arguments with defaults that are never used.
 */
export interface Command {
  readonly arity: number
  /** Whether a success may have changed the keyspace, so that a snapshot is due. */
  readonly writes?: boolean
  /** Whether `redis.call` must refuse it. */
  readonly notInScripts?: boolean
  /** Does the work, without the name among `args`; throws RedisError to refuse. */
  run(context: Context, args: Bytes[]): Reply
}

/** Commands by lower-case name. */
export type CommandTable = Readonly<Record<string, Command>>

type Run = Command['run']

/** A command that only reads. */
export const reads = (arity: number, run: Run): Command => ({ arity, run })

/** A command that changes the keyspace. */
export const writes = (arity: number, run: Run): Command => ({ arity, writes: true, run })

/** Says whether a command of `words` words, its name included, has the right number of them. */
export const arityFits = (arity: number, words: number): boolean => (arity < 0 ? words >= -arity : words === arity)
