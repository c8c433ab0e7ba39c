import { type Bytes, type Reply, failure } from '../reply.ts'
import { type Command } from './command.ts'
import { RedisError, errors } from './errors.ts'
import { expiryCommands } from './expiry.ts'
import { keyCommands } from './keys.ts'
import { Keyspace } from './keyspace.ts'
import { setCommands } from './sets.ts'
import { stringCommands } from './strings.ts'

/** The time source of the engine. `now` is in epoch milliseconds. */
export interface Clock {
  now(): number
}

/** A Map, since an object would also find `constructor`. */
const commands = new Map<Bytes, Command>(
  [keyCommands, expiryCommands, stringCommands, setCommands].flatMap((table) => Object.entries(table)),
)

/** A Redis in memory with strings, sets and expiry. It is synchronous, so every command and transaction is atomic. */
export class Engine {
  readonly #clock: Clock
  readonly #keyspace = new Keyspace(() => this.#now)
  #now: number
  #changes = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#now = clock.now()
  }

  /** Grows with every write, so that a snapshot knows whether it is stale. */
  get changes(): number {
    return this.#changes
  }

  /** The keys at this instant. */
  get db(): Keyspace {
    this.#now = this.#clock.now()
    return this.#keyspace
  }

  /** Runs one command. Errors are replies, not exceptions. */
  run(command: Bytes[]): Reply {
    this.#now = this.#clock.now()
    return this.#answer(command)
  }

  /** Runs all commands as MULTI … EXEC, or none of them when one has an unknown name or a wrong number of words. */
  transaction(transaction: readonly Bytes[][]): Reply {
    this.#now = this.#clock.now()
    const valid = transaction.every((command) => !(findCommand(command) instanceof RedisError))
    if (!valid) return failure('EXECABORT Transaction discarded because of previous errors.')
    return transaction.map((command) => this.#answer(command))
  }

  #answer(words: Bytes[]): Reply {
    try {
      const command = findCommand(words)
      if (command instanceof RedisError) throw command
      // Counted before it runs: a command that fails halfway may already have changed something.
      if (command.writes) this.#changes += 1
      return command.run({ db: this.#keyspace, now: this.#now }, words.slice(1))
    } catch (error) {
      if (error instanceof RedisError) return failure(error.message)
      throw error
    }
  }
}

function findCommand([name = '', ...args]: Bytes[]): Command | RedisError {
  const command = commands.get(name.toLowerCase())
  if (command === undefined) return unknownCommand(name, args)
  const { arity } = command
  const words = args.length + 1
  return (arity < 0 ? words >= -arity : words === arity) ? command : errors.arity(name)
}

/** `ERR unknown command`, with at most 128 bytes of the arguments, as Redis quotes them. */
function unknownCommand(name: Bytes, args: readonly Bytes[]): RedisError {
  let quoted = ''
  for (const arg of args) {
    if (quoted.length >= 128) break
    quoted += `'${arg.slice(0, 128 - quoted.length)}' `
  }
  return new RedisError(`ERR unknown command '${name.slice(0, 128)}', with args beginning with: ${quoted}`)
}
