import type { Bytes } from '../bytes.ts'
import { type Reply, failure } from '../reply.ts'
import { type Command, type Context, arityFits } from './command.ts'
import { findCommand } from './commands.ts'
import { RedisError, refusals, unknownCommand } from './errors.ts'
import { Keyspace } from './keyspace.ts'
import { LuaMachine } from './lua/machine.ts'
import { PubSub } from './pubsub.ts'
import { Scripts } from './scripts.ts'

/** What the engine tells time by; `now` is in epoch milliseconds. */
export interface Clock {
  now(): number
}

/**
 * A Redis in memory, single-threaded and synchronous: every command, transaction and script is atomic because nothing
 * else can run meanwhile.
 */
export class Engine {
  readonly #context: Context & { now: number }
  readonly #clock: Clock
  #changes = 0

  private constructor(lua: LuaMachine, clock: Clock) {
    this.#clock = clock
    this.#context = {
      db: new Keyspace(() => this.#context.now),
      pubsub: new PubSub(),
      scripts: new Scripts(lua, (command) => this.#callFromScript(command)),
      now: clock.now(),
    }
  }

  /** Makes an empty engine; the Lua machine takes some 15 ms to start. */
  static async create(clock: Clock): Promise<Engine> {
    return new Engine(await LuaMachine.create(), clock)
  }

  /** Grows with every write, so that a snapshot knows whether it is stale. */
  get changes(): number {
    return this.#changes
  }

  /** The keys as they live at this instant. */
  get db(): Keyspace {
    this.#tick()
    return this.#context.db
  }

  /** Who listens to which channel. */
  get pubsub(): PubSub {
    return this.#context.pubsub
  }

  /** Runs one command. Refusals are replies, never throws. */
  run(command: Bytes[]): Reply {
    this.#tick()
    return this.#answer(command)
  }

  /** Runs all commands or, if one of them could never run, none: MULTI … EXEC. */
  transaction(transaction: Bytes[][]): Reply {
    this.#tick()
    const queued = transaction.every(([name = '', ...args]) => isQueueable(name, args))
    if (!queued) return failure('EXECABORT Transaction discarded because of previous errors.')
    return transaction.map((command) => this.#answer(command))
  }

  #tick(): void {
    this.#context.now = this.#clock.now()
  }

  #answer([name = '', ...args]: Bytes[]): Reply {
    return refusing(() => {
      const command = findCommand(name)
      if (command === undefined) throw unknownCommand(name, args)
      if (!arityFits(command.arity, args.length + 1)) throw refusals.arity(name)
      return this.#execute(command, args)
    })
  }

  #callFromScript([name = '', ...args]: Bytes[]): Reply {
    return refusing(() => {
      const command = findCommand(name)
      if (forbiddenInScripts.test(name) || command?.notInScripts === true)
        throw new RedisError('ERR This Redis command is not allowed from script')
      if (command === undefined) throw new RedisError('ERR Unknown Redis command called from script')
      if (!arityFits(command.arity, args.length + 1))
        throw new RedisError('ERR Wrong number of args calling Redis command from script')
      return this.#execute(command, args)
    })
  }

  #execute(command: Command, args: Bytes[]): Reply {
    // Counted before it runs: a command that fails halfway may already have changed something.
    if (command.writes === true) this.#changes += 1
    return command.run(this.#context, args)
  }
}

/** Commands of a connection, which exist in Redis but never inside a script. */
const forbiddenInScripts = /^(?:p?subscribe|p?unsubscribe|multi|exec|discard|watch|unwatch|auth|hello|quit|reset)$/i

function isQueueable(name: Bytes, args: Bytes[]): boolean {
  const command = findCommand(name)
  return command !== undefined && arityFits(command.arity, args.length + 1)
}

function refusing(work: () => Reply): Reply {
  try {
    return work()
  } catch (error) {
    if (error instanceof RedisError) return failure(error.message)
    throw error
  }
}
