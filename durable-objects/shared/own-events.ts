import type { Env } from '../../src/env.ts'
import type { AppendEvents } from '../../src/events/log-event.ts'
import { ownTopic } from '../../src/events/own-topic.ts'
import { eventLogOf } from '../address.ts'
import { whenPlaceIsFree } from '../open-actors.ts'

/** Appends through the log of a tenant's own events. */
export const appendOwnEvents =
  (env: Env): AppendEvents =>
  async (tenant, events, emptied = []) => {
    await whenPlaceIsFree(env)
    const answer = await eventLogOf(env, tenant, ownTopic).append(events, true, emptied)
    if (answer.kind === 'refused') throw new Error(answer.detail ?? answer.error)
  }
