import { z } from 'zod'
import type { Chance } from '../jobs/support/chance.ts'
import { misbehaviours } from './http-faults.ts'

const services = ['postgres', 'redis', 'qstash'] as const
export type Service = (typeof services)[number]

const span = { at: z.number(), ms: z.number() }
export const actorFaults = [
  'activity-refuses',
  'activity-stalls',
  'activity-dies',
  'activity-answers-lost',
  'publications-lost',
] as const
const weather = z.enum(['refuse', 'blackhole', 'mute', 'slow', 'thin'])

/** One thing that goes wrong, `at` milliseconds after the beginning of its round and for so long. */
export const fault = z.discriminatedUnion('kind', [
  /** `kill -9` of workerd, or of its launcher, which takes workerd along; started again at once. */
  z.object({ kind: z.literal('kill'), whom: z.enum(['worker', 'launcher']), ...span }),
  /** SIGSTOP, and SIGCONT after a while: everything stands still and then goes on. */
  z.object({ kind: z.literal('freeze'), ...span }),
  /** Every fsync late, or failing; after failures the process is killed, as its operator would. */
  z.object({ kind: z.literal('disk'), how: z.enum(['slow', 'broken']), ...span }),
  /** Every third call of an Activity actor, or of it to a gateway, meets this; see actor-faults.js. */
  z.object({ kind: z.literal('actor'), how: z.enum(actorFaults), ...span }),
  /** The network between people and the edge. */
  z.object({ kind: z.literal('people'), weather, ...span }),
  /** Every connection breaks off, so many bytes on: inside a frame. */
  z.object({ kind: z.literal('cut'), bytes: z.number(), ...span }),
  /** The network between the Worker and a service behind it. */
  z.object({ kind: z.literal('network'), service: z.enum(services), weather, ...span }),
  /** A service that answers with something else. */
  z.object({
    kind: z.literal('answers'),
    service: z.enum(services),
    how: z.enum(misbehaviours),
    share: z.number(),
    ...span,
  }),
])
export type Fault = z.output<typeof fault>

/** Plans the faults of one round: about one a second, overlapping, in the order of their beginnings. */
export function planFaults(chance: Chance, lastsMs: number, disk: boolean): Fault[] {
  const faults: Fault[] = []
  for (let at = 500; at < lastsMs - 3000; at += chance.between(300, 2200)) faults.push(randomFault(chance, at, disk))
  return faults
}

function randomFault(chance: Chance, at: number, disk: boolean): Fault {
  const pick = <T>(from: readonly [T, ...T[]]): T => from[chance.below(from.length)] ?? from[0]
  const when = { at: Math.round(at), ms: Math.round(chance.between(200, 3000)) }
  const weathers = ['refuse', 'blackhole', 'mute', 'slow', 'thin'] as const
  const roll = chance.next()
  if (roll < 0.08) return { kind: 'kill', whom: pick(['worker', 'worker', 'launcher']), ...when }
  if (roll < 0.16) return { kind: 'freeze', ...when }
  if (roll < 0.22 && disk) return { kind: 'disk', how: pick(['slow', 'slow', 'broken']), ...when }
  if (roll < 0.3) return { kind: 'actor', how: pick(actorFaults), ...when }
  if (roll < 0.42) return { kind: 'people', weather: pick(weathers), ...when }
  if (roll < 0.51) return { kind: 'cut', bytes: chance.below(2000), ...when }
  if (roll < 0.75) return { kind: 'network', service: pick(services), weather: pick(weathers), ...when }
  return { kind: 'answers', service: pick(services), how: pick(misbehaviours), share: pick([1, 1, 2, 3]), ...when }
}

/** A fault in a few words. */
export function tellFault(one: Fault): string {
  const { kind, at, ms, ...how } = one
  return `${(at / 1000).toFixed(1)} s ${[kind, ...Object.values(how)].join(' ')} for ${ms} ms`
}
