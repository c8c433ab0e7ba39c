import { newSession, type Session } from '../../src/realtime/session.ts'

/** A connection of a user that remembers what it was told. */
export function listener(user: string, client = user): Session {
  return Object.assign(newSession(client, 0), { tenant: 'acme', user, phase: 'open' as const })
}

interface Told {
  readonly push: {
    readonly pub?: { readonly offset?: number; readonly data: Readonly<Record<string, unknown>> }
    readonly join?: object
    readonly leave?: object
  }
}

const told = ({ outgoing }: Session): Told[] =>
  outgoing.flatMap((frame) => frame.split('\n')).map((line) => JSON.parse(line))

/** The places a connection was told, in order. */
export const placesTold = (session: Session): number[] => told(session).flatMap(({ push }) => push.pub?.offset ?? [])

/** What passing things a connection was told, in order. */
export const passingTold = (session: Session): string[] =>
  told(session).flatMap(({ push }) => {
    if (push.join !== undefined) return ['join']
    if (push.leave !== undefined) return ['leave']
    return push.pub !== undefined && push.pub.offset === undefined ? [String(push.pub.data['type'])] : []
  })
