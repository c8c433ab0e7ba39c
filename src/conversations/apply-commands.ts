import { refuse } from '../protocol/errors.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult } from '../protocol/stream.ts'
import { send } from './commands/send-message.ts'
import { commandNamed } from './commands/table.ts'
import { type AppliedCommands, type ConversationState, nothing } from './state.ts'
import { leave, subscribe } from './subscribe.ts'
import type { Actor } from './types.ts'

/** Runs the commands of one call in order; all that they append becomes durable together. */
export function applyCommands(state: ConversationState, commands: readonly StreamCommand[]): AppliedCommands {
  const applied: AppliedCommands = { results: [], publications: [], events: [] }
  for (const command of commands) applied.results.push(apply(state, command, applied))
  return applied
}

function apply(state: ConversationState, command: StreamCommand, applied: AppliedCommands): StreamResult {
  const actor: Actor = { user: command.user, client: command.client, server: command.server === true }
  switch (command.kind) {
    case 'send':
      return send(state, actor, command.content, applied)
    case 'subscribe':
      return subscribe(state, actor, command, applied)
    case 'leave':
      return leave(state, actor, command, applied)
    case 'infos':
      return nothing
    case 'publish':
      return refuse('badRequest', 'a conversation takes messages')
    case 'command':
      return commandNamed(command.name)?.apply(state, actor, command.input, applied) ?? refuse('methodNotFound')
  }
}

/** Refuses every command of a conversation that does not exist, as for one of other users. */
export function refuseAll({ commands }: StreamCall): StreamAnswer {
  const results = commands.map(({ kind }) =>
    kind === 'leave' ? nothing : refuse(kind === 'subscribe' ? 'permissionDenied' : 'notFound'),
  )
  return { update: { epoch: '', after: 0, publications: [], events: [] }, behind: false, results }
}
