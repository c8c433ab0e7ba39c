import { createHash } from 'node:crypto'
import { Lua } from 'wasmoon-lua5.1'
import type { Bytes } from '../../bytes.ts'
import { type Reply, failure } from '../../reply.ts'
import { cjson } from './cjson.ts'
import { prelude } from './prelude.ts'
import { decodeReply, encodeReply, escape, unescape } from './wire.ts'

/** What a running script calls when it says `redis.call`. */
export type CallRedis = (command: Bytes[]) => Reply

const noScriptRuns: CallRedis = () => failure('ERR no script is running')

/**
 * A Lua 5.1 virtual machine with Redis' sandbox, one script at a time.
 *
 * Only `doStringSync` is used: the asynchronous `doString` of wasmoon crashed the machine ("memory access out of
 * bounds"), and a script must not be interrupted anyway.
 */
export class LuaMachine {
  readonly #lua: Lua
  #call = noScriptRuns

  private constructor(lua: Lua) {
    this.#lua = lua
    lua.global.set('__host_call', (text: unknown) => this.#answer(String(text)))
    lua.global.set('__host_sha1', (text: unknown) =>
      createHash('sha1')
        .update(unescape(String(text)), 'latin1')
        .digest('hex'),
    )
    lua.doStringSync(cjson)
    lua.doStringSync(prelude)
  }

  /** Starts a machine, some 15 ms. */
  static async create(): Promise<LuaMachine> {
    return new LuaMachine(await Lua.create())
  }

  /** Compiles a script under its name; an error reply says why it could not. */
  compile(sha: Bytes, source: Bytes): Reply {
    return this.#do(`__compile("${sha}", "${escape(source)}")`)
  }

  /** Runs a compiled script; `call` answers its `redis.call`s. */
  run(sha: Bytes, keys: Bytes[], args: Bytes[], call: CallRedis): Reply {
    this.#call = call
    try {
      return this.#do(`__run("${sha}", "${literal(keys)}", "${literal(args)}")`)
    } finally {
      this.#call = noScriptRuns
    }
  }

  /** Forgets every compiled script. */
  forget(): void {
    this.#do('__forget()')
  }

  #do(expression: string): Reply {
    const top = this.#lua.global.getTop()
    try {
      const answer: unknown = this.#lua.doStringSync(`return ${expression}`)
      return decodeReply(String(answer))
    } catch (error) {
      return failure(`ERR the Lua machine failed: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      // wasmoon leaves each result on Lua's stack; kept there, they would slow every later collection of garbage.
      this.#lua.global.setTop(top)
    }
  }

  /** Answers Lua. It must not throw: an exception would cross WebAssembly frames and leave Lua's stack behind. */
  #answer(text: string): string {
    try {
      const command = decodeReply(text)
      return encodeReply(this.#call(Array.isArray(command) ? command.map(String) : []))
    } catch (error) {
      return encodeReply(failure(`ERR ${error instanceof Error ? error.message : String(error)}`))
    }
  }
}

const literal = (words: Bytes[]): string => encodeReply(words).replaceAll('\n', String.raw`\n`)
