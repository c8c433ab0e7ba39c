import { systemClock } from '../../src/kernel/clock.ts'
import { openedActors } from '../../src/limits/opened-actors.ts'
import { ownName } from '../address.ts'

/** Notes that an actor of a tenant was opened in this process, whose open actors are bounded. */
export function noteOpened({ id: { name } }: DurableObjectState): void {
  // An alarm that an earlier workerd stored does not tell the actor its name, and must run all the same.
  openedActors.note(name === undefined ? '' : ownName(name).tenant, systemClock.now())
}
