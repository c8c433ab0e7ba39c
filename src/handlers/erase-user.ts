import { inboxOf, tenantOf } from '../../durable-objects/address.ts'
import { callEventLog } from '../../durable-objects/open-event-actors.ts'
import type { Env } from '../env.ts'
import { erasedUserEvent } from '../events/own-events.ts'
import { ownTopic } from '../events/own-topic.ts'
import { systemClock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import type { Outcome } from '../sagas/advance.ts'
import { afterFailure, afterPart, nextPart, standOf, type UserErasure } from '../tenants/user-erasure.ts'
import { eraserOf, erasurePlan } from './user-erasers.ts'

/** A call begins no further part after this time, in milliseconds, or so many parts. */
const callMs = 500
const partsPerCall = 16

interface UserOf {
  readonly tenant: string
  readonly user: string
}

/** Goes on with a step of the run that erases a user: some parts, each stored when it is done. */
export async function continueErasure(env: Env, of: UserOf, step: string): Promise<Outcome> {
  const inbox = inboxOf(env, of.tenant, of.user)
  const known = await inbox.erasure()
  if (known === undefined || (await tenantOf(env, of.tenant).isErased()))
    return { kind: 'done', result: 'nothing is left' }
  let erasure: UserErasure = known
  const until = systemClock.now() + callMs
  for (let parts = 0; parts < partsPerCall && systemClock.now() <= until; parts++) {
    if (standOf(erasure, step, systemClock.now()).kind === 'done') break
    const changed = step === 'settle' ? undefined : await tryPart(env, of, erasure)
    // Another call has gone on with it: the next one sees where.
    if (changed === undefined || !(await inbox.saveErasure(erasure.revision, changed))) break
    erasure = changed
    if (erasure.failure !== null) break
  }
  const stand = standOf(erasure, step, systemClock.now())
  if (erasure.phase === 'erased') await publishErased(env, of.tenant, erasure)
  return stand
}

/** A failure is one of the step, which is then repeated; the event is the same again. */
async function publishErased(env: Env, tenant: string, { run, messages, endedAt }: UserErasure): Promise<void> {
  if (!(await tenantOf(env, tenant).isPublished())) return
  const event = erasedUserEvent({ erasure: run, messages, at: endedAt ?? 0 })
  const answer = await callEventLog(env, tenant, ownTopic, (events) => events.append([event], true))
  if (answer.kind === 'refused') throw new Error(answer.detail ?? answer.error)
}

async function tryPart(env: Env, { tenant, user }: UserOf, erasure: UserErasure): Promise<UserErasure | undefined> {
  const due = nextPart(erasure, erasurePlan, systemClock.now())
  if (due === undefined) return undefined
  const { pseudonym, messages, stage } = erasure
  try {
    const part = await eraserOf(due.store, stage)({ env, tenant, user, pseudonym, messages }, due.cursor)
    return afterPart(erasure, erasurePlan, { store: due.store, ...part }, systemClock.now())
  } catch (thrown) {
    const reason = `${due.store}: ${reasonOf(thrown)}`.replaceAll(user, '…')
    log.warn('users.erasure-failed', { tenant, run: erasure.run, reason })
    return afterFailure(erasure, reason, systemClock.now(), Math.random())
  }
}
