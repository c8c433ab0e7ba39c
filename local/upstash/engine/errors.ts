import type { Bytes } from '../reply.ts'

/** Thrown inside a command and answered as an error reply. The texts are those of Redis 7.0. */
export class RedisError extends Error {}

export const errors = {
  wrongType: () => new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  syntax: () => new RedisError('ERR syntax error'),
  notAnInteger: () => new RedisError('ERR value is not an integer or out of range'),
  arity: (name: Bytes) => new RedisError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`),
  expireTime: (name: Bytes) => new RedisError(`ERR invalid expire time in '${name}' command`),
} as const
