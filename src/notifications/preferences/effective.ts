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

/** The preferences with a category switched on or off for one channel or for all. */
export function withCategory(preferences: Preferences, category: string, channel: Channel | 'all', isOn: boolean) {
  const before = preferences.categories?.[category]
  const switches = channel === 'all' ? { all: isOn } : { ...before, [channel]: isOn }
  return { ...preferences, categories: { ...preferences.categories, [category]: switches } }
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
