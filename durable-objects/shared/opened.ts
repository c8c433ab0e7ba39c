import { systemClock } from '../../src/kernel/clock.ts'
import { openedActors } from '../../src/limits/opened-actors.ts'
import { ownName } from '../address.ts'

/** Notes that an actor of a tenant was opened in this process, whose open actors are bounded. */
export const noteOpened = (ctx: DurableObjectState): void =>
  openedActors.note(ownName(ctx.id.name).tenant, systemClock.now())
