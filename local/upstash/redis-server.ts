import type { Backend, Subscriber, SubscriptionKind } from './backend.ts'
import type { Bytes } from './bytes.ts'
import { type Reply, failure } from './reply.ts'
import { RespConnection } from './resp/connection.ts'
import { ScriptAliases } from './resp/shebang.ts'

/** A backend that is a real Redis server, spoken to in RESP2. Reconnects when next asked after a break. */
export function redisServerBackend(url: string): Backend {
  const aliases = new ScriptAliases()
  const subscriptions = new Set<RespConnection>()
  let shared: Promise<RespConnection> | undefined

  /** One connection for everybody: assigned at once, so that two first callers do not open two. */
  function connected(): Promise<RespConnection> {
    shared = reuseOrOpen(shared, url)
    return shared
  }

  async function ask(commands: Bytes[][]): Promise<Reply[]> {
    const connection = await connected()
    return connection.send(commands.map((command) => aliases.translate(command)))
  }

  return {
    pipeline: async (commands) => restoreAll(aliases, commands, await ask(commands)),
    transaction: async (commands) => {
      const replies = await ask([['MULTI'], ...commands, ['EXEC']])
      const executed = replies.at(-1) ?? null
      if (!Array.isArray(executed))
        return executed ?? failure('EXECABORT Transaction discarded because of previous errors.')
      return restoreAll(aliases, commands, executed)
    },
    subscribe: async (kind, names, subscriber) => {
      const connection = await RespConnection.open(url)
      subscriptions.add(connection)
      listen(connection, kind, names, subscriber)
      return () => {
        subscriptions.delete(connection)
        connection.close()
      }
    },
    stop: async () => {
      for (const connection of subscriptions) connection.close()
      const connection = await shared?.catch(() => undefined)
      connection?.close()
    },
  }
}

async function reuseOrOpen(previous: Promise<RespConnection> | undefined, url: string): Promise<RespConnection> {
  const connection = await previous?.catch(() => undefined)
  return connection?.alive === true ? connection : RespConnection.open(url)
}

function restoreAll(aliases: ScriptAliases, commands: Bytes[][], replies: Reply[]): Reply[] {
  return replies.map((reply, index) => aliases.restore(commands[index] ?? [], reply))
}

function listen(connection: RespConnection, kind: SubscriptionKind, names: Bytes[], subscriber: Subscriber): void {
  const onPush = (reply: Reply) => {
    if (Array.isArray(reply))
      subscriber.event(reply.filter((item) => typeof item === 'string' || typeof item === 'number'))
  }
  connection.listen([kind, ...names], onPush, () => subscriber.end())
}
