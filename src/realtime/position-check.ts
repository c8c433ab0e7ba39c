import { hash32 } from '../kernel/id.ts'
import { pingSeconds } from './liveness.ts'

/** Every channel is asked after once in so many heartbeats: 27 minutes. */
const rounds = 64

/**
 * Whether a channel's place is checked in the heartbeat at `now`. News that fail to arrive are told again by their stream,
 * and whatever comes next shows the gap; this is for what neither repairs, and rare, because it wakes an actor that
 * might sleep. By the channel's name and the hour alone, so that channels spread evenly and a gateway that slept knows.
 */
export const isCheckedAt = (channel: string, now: number): boolean =>
  (hash32(channel) + Math.floor(now / (pingSeconds * 1000))) % rounds === 0
