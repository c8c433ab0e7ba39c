import type { Namespace } from '../../src/protocol/namespaces-api.ts'

const allow = { subscribe: 'users', publish: 'users', history: 'users', presence: 'users' } as const
const namespace = (historySize: number, historyTtlSeconds: number): Namespace => {
  return {
    historySize,
    historyTtlSeconds,
    recovery: true,
    presence: false,
    joinLeave: false,
    forcePushJoinLeave: false,
    allow,
  }
}

/** Namespaces that differ in what they keep: all of it, the newest, what is seconds old, and nothing. */
export const namespaces: Readonly<Record<string, Namespace>> = {
  all: namespace(10_000, 3600),
  few: namespace(2, 3600),
  brief: namespace(1000, 1),
  passing: namespace(0, 300),
}

const keepsNothing = namespace(0, 1)

/** How the topic behind a channel is kept. */
export const namespaceOf = (channel: string): Namespace => namespaces[channel.split(':')[0] ?? ''] ?? keepsNothing

export const isKept = (channel: string): boolean => namespaceOf(channel).historySize > 0
