import type { Bytes } from '../bytes.ts'

/**
 * Commands that belong to a connection. HTTP has none, and with a real server behind the front they would disturb the
 * one connection everybody shares: a MULTI would swallow other people's commands, a BLPOP would stall them.
 */
const connectionCommands = new Set(
  [
    ['multi', 'exec', 'discard', 'watch', 'unwatch'],
    ['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe', 'monitor'],
    ['auth', 'hello', 'select', 'quit', 'reset', 'client', 'asking', 'readonly', 'readwrite'],
    ['blpop', 'brpop', 'blmove', 'blmpop', 'brpoplpush', 'bzpopmin', 'bzpopmax', 'bzmpop', 'wait', 'waitaof'],
    ['sync', 'psync', 'replconf', 'replicaof', 'slaveof', 'failover', 'shutdown', 'debug'],
  ].flat(),
)

/** Why a command cannot be asked over HTTP at all; undefined if it can. */
export function unavailable([name = '']: readonly Bytes[]): Bytes | undefined {
  return connectionCommands.has(name.toLowerCase()) ? `ERR Command is not available: '${name}' over REST` : undefined
}
