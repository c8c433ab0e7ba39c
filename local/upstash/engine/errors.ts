import type { Bytes } from '../bytes.ts'

/** Thrown inside a command, answered as an error reply. The texts are those of Redis 7.0. */
export class RedisError extends Error {}

/** The refusals several commands share. */
export const refusals = {
  wrongType: () => new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  syntax: () => new RedisError('ERR syntax error'),
  notAnInteger: () => new RedisError('ERR value is not an integer or out of range'),
  notAFloat: () => new RedisError('ERR value is not a valid float'),
  overflow: () => new RedisError('ERR increment or decrement would overflow'),
  noSuchKey: () => new RedisError('ERR no such key'),
  indexOutOfRange: () => new RedisError('ERR index out of range'),
  mustBePositive: () => new RedisError('ERR value is out of range, must be positive'),
  arity: (name: Bytes) => new RedisError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`),
  expireTime: (name: Bytes) => new RedisError(`ERR invalid expire time in '${name}' command`),
} as const

/** `ERR unknown command`, quoting at most 128 bytes of the arguments as Redis does. */
export function unknownCommand(name: Bytes, args: readonly Bytes[]): RedisError {
  let quoted = ''
  for (const arg of args) {
    if (quoted.length >= 128) break
    quoted += `'${arg.slice(0, 128 - quoted.length)}' `
  }
  return new RedisError(`ERR unknown command '${name.slice(0, 128)}', with args beginning with: ${quoted}`)
}
