import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { alarmTimes } from '../../src/limits/alarm-times.ts'
import { openActors, type ActorName } from '../../src/limits/open-actors.ts'
import { ownName } from '../address.ts'
import { isBounded } from '../open-actors.ts'

/** Sets the alarm of an actor. */
export interface Alarm {
  setAlarm(at: number): Promise<void>
}

/** An actor's own place among the open ones: taken in its constructor, and kept by uses that no caller announces. */
export class OpenPlace {
  readonly ctx: DurableObjectState
  readonly #env: Env
  readonly #actor: ActorName
  /** The actor's alarm. Where actors are bounded it may ring later than it was set for, see {@link alarmTimes}. */
  readonly alarm: Alarm

  constructor(ctx: DurableObjectState, env: Env, kind: ActorName['kind']) {
    this.ctx = ctx
    this.#env = env
    // An alarm that an earlier workerd stored does not tell the actor its name, and must run all the same.
    const name = ctx.id.name ?? String(ctx.id)
    this.#actor = { kind, ...(name.includes('/') ? ownName(name) : { tenant: name, name: '' }) }
    this.alarm = isBounded(env) ? this.#pacedAlarm(`${kind} ${name}`) : ctx.storage
    openActors.openings++
    this.used()
  }

  /** The actor is in use, so it stays open for ten seconds more. */
  used(): void {
    if (isBounded(this.#env)) openActors.use(this.#actor, systemClock.now())
  }

  #pacedAlarm(actor: string): Alarm {
    return {
      setAlarm: async (at) => {
        this.used()
        const perSecond = openActors.budget?.alarmsPerSecond ?? Infinity
        await this.ctx.storage.setAlarm(alarmTimes.book(actor, at, systemClock.now(), perSecond))
      },
    }
  }
}
