import type { Env } from '../../src/env.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import { ownTopic } from '../../src/events/own-topic.ts'
import { eventLogOf } from '../address.ts'
import type { EventName } from '../contracts.ts'
import { whenPlaceIsFree } from '../open-actors.ts'

/** Appends events to the own topic of a tenant. Throws when it does not take them now. */
export type AppendEvents = (
  tenant: string,
  events: readonly NewEvent[],
  /** Events of before whose messages were deleted. */
  emptied?: readonly EventName[],
) => Promise<void>

export const appendOwnEvents =
  (env: Env): AppendEvents =>
  async (tenant, events, emptied = []) => {
    await whenPlaceIsFree(env)
    const answer = await eventLogOf(env, tenant, ownTopic).append(events, true, emptied)
    if (answer.kind === 'refused') throw new Error(answer.detail ?? answer.error)
  }
