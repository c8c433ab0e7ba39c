import { actorStores, tenantStores, type ActorClass, type StoreName } from './stores.ts'

/** The stages of a deletion in their order; `none` is after the last. */
export const stages = ['listed', 'others', 'placement', 'none'] as const
export type Stage = (typeof stages)[number]

/** One store, or a part of one, as a step of a stage. */
export interface Step {
  readonly id: string
  readonly store: StoreName
  /** Of actors: `listed` are those whose names other stores hold, `fixed` those whose names follow from the tenant's. */
  readonly part: 'whole' | 'listed' | 'fixed'
}

const whole = (store: StoreName): Step => ({ id: store, store, part: 'whole' })

/** The classes whose actors are found by lists, in which some have names that follow from the tenant's. */
const isListed = (name: ActorClass): boolean => actorStores[name].found === 'listed'

function namesOf<N extends string>(stores: Readonly<Record<N, unknown>>): N[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal of stores.ts
  return Object.keys(stores) as N[]
}

const listed: readonly Step[] = namesOf(actorStores)
  .filter(isListed)
  .map((store) => ({ id: `${store}/listed`, store, part: 'listed' }))

/** Actors come before tables, so that none writes rows that were deleted before. */
const others: readonly Step[] = [
  ...namesOf(actorStores)
    .filter((store) => actorStores[store].delete !== 'last')
    .map((store): Step => (isListed(store) ? { id: `${store}/fixed`, store, part: 'fixed' } : whole(store))),
  ...namesOf(tenantStores)
    .filter((store) => tenantStores[store].kind !== 'actor' && tenantStores[store].delete !== 'last')
    .map(whole),
]

const placement: readonly Step[] = namesOf(tenantStores)
  .filter((store) => tenantStores[store].kind === 'table' && tenantStores[store].delete === 'last')
  .map(whole)

const steps: Readonly<Record<Stage, readonly Step[]>> = { listed, others, placement, none: [] }

/**
 * The steps of a stage, which are made of the registry of stores. Actors that other stores list come first and are verified before
 * the lists are erased; the placement, by which the shards are known, comes last.
 */
export const stepsOf = (stage: Stage): readonly Step[] => steps[stage]
