import { searchFor } from '../../../src/adapters/message-search.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import { searchMessagesDefinition } from '../../../src/protocol/search-api.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { searchPorts } from '../../open-search.ts'
import type { CommandContext, Data } from './command-context.ts'
import { replyLater } from './reply-later.ts'

/** Searches messages for the user of a connection. */
export function searchMessages(context: CommandContext, session: Session, id: number, data: Data): void {
  const input = context.parse(session, id, searchMessagesDefinition.input, data)
  if (input === undefined || !context.admits(session, id)) return
  const { tenant, user } = session
  if (user === '') return context.refuse(session, id, refuse('notAllowed', 'anonymous users have no conversations'))
  const { env } = context
  const searcher = { tenant, actor: { user, client: '', server: false }, name: user }
  replyLater(context, session, id, () => searchFor(env, searcher, input, searchPorts(env, tenant)))
}
