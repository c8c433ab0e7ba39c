import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Taken } from '../../../src/limits/ports.ts'
import type { Session } from '../../../src/realtime/session.ts'

/** For each session with messages whose rate limit is not decided yet: when the last of them is. */
type UndecidedMessages = Map<Session, Promise<void>>

/**
 * Has a message wait for its decision and for those before it: messages of one session are decided together, and go on in
 * their order. `decided` is called without a decision when the limiters failed.
 */
export function decideInOrder(
  undecided: UndecidedMessages,
  session: Session,
  taken: Taken | Promise<Taken>,
  decided: (taken: Taken | undefined) => void,
): void {
  const done = decideAfter(session, undecided.get(session), taken, decided)
  undecided.set(session, done)
  void done.then(() => undecided.get(session) === done && undecided.delete(session))
}

async function decideAfter(
  { client }: Session,
  before: Promise<void> | undefined,
  taken: Taken | Promise<Taken>,
  decided: (taken: Taken | undefined) => void,
): Promise<void> {
  const decision = await Promise.resolve(taken).catch((thrown: unknown) => {
    log.error('gateway.limit-failed', { client, reason: reasonOf(thrown) })
  })
  await before
  decided(decision ?? undefined)
}
