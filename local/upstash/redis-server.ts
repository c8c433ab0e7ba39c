import { ErrorReply, RESP_TYPES, createClient } from 'redis'
import { type Backend, type Bytes, type Reply, failure, status, toBytes } from './reply.ts'

/**
 * A real Redis server as a backend. All requests share one connection, opened with the first request and again with the
 * first one after a break. While no server is there, requests are rejected.
 */
export function redisServerBackend(url: string): Backend {
  const client = createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false, connectTimeout: 3000 },
  })
  // Each request reports its own error; an `error` event without a listener would end the process.
  client.on('error', () => {})
  // Integers as text: the client's own numbers are wrong beyond 2^53.
  const raw = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String })
  let opening: Promise<unknown> | undefined

  /** Sends commands in one write, so that no command of another request comes between them. */
  async function send(commands: readonly Bytes[][]): Promise<Reply[]> {
    if (!client.isOpen) opening = client.connect()
    try {
      await opening
      return await Promise.all(
        commands.map(async (words) => toReply(await raw.sendCommand(words.map(latin1)).catch(errorReply))),
      )
    } catch (error) {
      const { host } = new URL(url)
      throw new Error(`no Redis at ${host}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }

  return {
    pipeline: send,
    transaction: async (commands) => {
      const replies = await send([['MULTI'], ...commands, ['EXEC']])
      return replies.at(-1) ?? failure('EXECABORT Transaction discarded because of previous errors.')
    },
    stop: async () => {
      if (client.isOpen) client.destroy()
    },
  }
}

const latin1 = (bytes: Bytes) => Buffer.from(bytes, 'latin1')

/** An error of a command is its reply. Any other error is one of the connection. */
function errorReply(error: unknown): ErrorReply {
  if (error instanceof ErrorReply) return error
  throw error
}

function toReply(reply: unknown): Reply {
  if (reply instanceof ErrorReply) return failure(toBytes(reply.message))
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  if (Array.isArray(reply)) return reply.map(toReply)
  // No simple string of Redis consists of digits.
  if (typeof reply === 'string') return /^-?\d+$/.test(reply) ? BigInt(reply) : status(reply)
  if (reply === null) return reply
  throw new Error(`unexpected reply: ${String(reply)}`)
}
