import { DependencyError } from '../../../src/adapters/dependency.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { TooManyActors } from '../../../src/limits/open-actors.ts'
import { refuse, refuseTooFast, type Refusal } from '../../../src/protocol/errors.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { CommandContext } from './command-context.ts'

/** Replies to an rpc with what an actor answers: an object, or the JSON text of one. An actor that cannot be reached is a refusal, not a silence. */
export function replyLater(
  context: CommandContext,
  session: Session,
  id: number,
  ask: () => Promise<object | string | Refusal>,
): void {
  const reply = (body: object | string | Refusal) => {
    if (typeof body === 'string') context.reply(session, id, 'rpc', `{"data":${body}}`)
    else if ('kind' in body && body.kind === 'refused') context.refuse(session, id, body)
    else context.reply(session, id, 'rpc', JSON.stringify({ data: body }))
  }
  context.inTime('rpc', ask()).then(reply, (thrown: unknown) => {
    if (thrown instanceof TooManyActors)
      return context.refuse(session, id, refuseTooFast('actors', thrown.retryAfterMs))
    log.warn('gateway.rpc-failed', { client: session.client, command: id, reason: reasonOf(thrown) })
    const part = thrown instanceof DependencyError ? `${thrown.message}; ` : ''
    return context.refuse(session, id, refuse('internal', `${part}try again`))
  })
}
