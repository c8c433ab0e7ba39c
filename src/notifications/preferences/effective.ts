import { channels, type Category, type Channel, type Preferences } from '../model.ts'
import { decideChannel } from './decide.ts'

/** For each channel whether it is on, by all layers; mute and quiet hours, which pass, are left out. */
export function effectiveSwitches(
  recipient: Preferences,
  tenant: Preferences,
  category?: Category,
): Readonly<Record<Channel, boolean>> {
  const { channels: own, categories, workflows } = recipient
  const layers = { recipient: { channels: own, categories, workflows }, tenant }
  const isOn = (channel: Channel) => decideChannel(layers, { channel, workflow: '', category, now: 0 }).isAllowed
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one entry for each channel
  return Object.fromEntries(channels.map((channel) => [channel, isOn(channel)])) as Record<Channel, boolean>
}

/** A switch of a user: of a category, of a workflow, or of the channel itself. */
export interface SwitchChange {
  readonly of: 'categories' | 'workflows' | 'channels'
  /** Of the category or workflow; "" for the channel itself. */
  readonly name: string
  readonly channel: Channel
  readonly isOn: boolean
}

/** The preferences with switches changed; all others stay. */
export function withSwitches(preferences: Preferences, changes: readonly SwitchChange[]): Preferences {
  let changed = preferences
  for (const { of, name, channel, isOn } of changes)
    if (of === 'channels') changed = { ...changed, channels: { ...changed.channels, [channel]: isOn } }
    else {
      const before = changed[of]
      const own = before !== undefined && Object.hasOwn(before, name) ? before[name] : undefined
      changed = { ...changed, [of]: { ...before, [name]: { ...own, [channel]: isOn } } }
    }
  return changed
}

/** Names in preferences that the tenant does not have, as `categories.<name>`; those in `known` before are left alone. */
export function unknownNames(
  given: Preferences,
  known: Preferences,
  has: { readonly categories: readonly string[]; readonly workflows: readonly string[] },
): string[] {
  return (['categories', 'workflows'] as const).flatMap((kind) =>
    Object.keys(given[kind] ?? {})
      .filter((name) => !has[kind].includes(name) && !Object.hasOwn(known[kind] ?? {}, name))
      .map((name) => `${kind}.${name}`),
  )
}
