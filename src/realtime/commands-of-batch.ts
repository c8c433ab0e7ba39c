import type { StreamCommand } from '../protocol/stream.ts'
import type { HubChannel } from './hub.ts'
import type { PendingCommand } from './command-batcher.ts'
import type { Session } from './session.ts'

/**
 * The commands of one call, with what is only known when it leaves. Whether somebody who goes is the last may have
 * changed since: another may have been let in, or be in this very call, and a stream that believed her gone would tell
 * this gateway nothing more. Whether she is `alone` is what comings and goings are told by. `connectionsOf` gives all
 * connections of a session's user here.
 */
export function commandsOf(
  commands: readonly PendingCommand[],
  state: HubChannel | undefined,
  connectionsOf: (session: Session) => readonly Session[],
): StreamCommand[] {
  const last = () => state === undefined && !commands.some(({ command }) => command.kind === 'subscribe')
  const alone = (session: Session) =>
    state === undefined || !connectionsOf(session).some((other) => other !== session && state.sessions.has(other))
  return commands.map(({ command, session }, index) => {
    if (command.kind === 'leave') return { ...command, last: last(), alone: alone(session) }
    if (command.kind !== 'subscribe') return command
    const isFirst = !commands.slice(0, index).some((earlier) => comesAs(earlier, command.user))
    return { ...command, alone: isFirst && alone(session) }
  })
}

const comesAs = ({ command }: PendingCommand, user: string): boolean =>
  command.kind === 'subscribe' && command.user === user
