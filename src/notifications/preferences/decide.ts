import type { Category, Channel, ChannelSwitches, Preferences } from '../model.ts'

/** The preferences that hold for a recipient, from the most special layer to the most general. */
export interface PreferenceLayers {
  readonly recipient?: Preferences | undefined
  readonly tenant?: Preferences | undefined
  readonly platform?: Preferences | undefined
}

/** What a decision is about. */
export interface PreferenceQuestion {
  readonly channel: Channel
  readonly workflow: string
  readonly category?: Category | undefined
  readonly conversation?: string | undefined
  readonly now: number
}

/** Whether a channel is allowed, with the rule that decided it, e.g. `recipient.categories.marketing.email`. */
export interface PreferenceDecision {
  readonly isAllowed: boolean
  readonly rule: string
}

/**
 * Decides in this order: a mandatory category; the recipient's mute, and that of the conversation; then the recipient's, the
 * tenant's and the platform's switches, in each of them the workflow's before the category's before those of channels. The
 * defaults of the category come behind what the tenant says of it. A channel that is named counts before `all`.
 */
export function decideChannel(layers: PreferenceLayers, question: PreferenceQuestion): PreferenceDecision {
  const { channel, workflow, category, conversation, now } = question
  if (category?.isMandatory === true) return { isAllowed: true, rule: `categories.${category.name}.isMandatory` }
  const { recipient } = layers
  if (now < (recipient?.muteUntil ?? 0)) return { isAllowed: false, rule: 'recipient.muteUntil' }
  if (conversation !== undefined && now < (own(recipient?.mutedConversations, conversation) ?? 0))
    return { isAllowed: false, rule: `recipient.mutedConversations.${conversation}` }
  for (const layer of ['recipient', 'tenant', 'platform'] as const) {
    const preferences = layers[layer]
    const found =
      switched(own(preferences?.workflows, workflow), channel, `${layer}.workflows.${workflow}`) ??
      (category === undefined
        ? undefined
        : (switched(own(preferences?.categories, category.name), channel, `${layer}.categories.${category.name}`) ??
          (layer === 'tenant'
            ? switched(category.defaults, channel, `categories.${category.name}.defaults`)
            : undefined))) ??
      switched(preferences?.channels, channel, `${layer}.channels`)
    if (found !== undefined) return found
  }
  return { isAllowed: true, rule: 'default' }
}

function switched(
  switches: ChannelSwitches | undefined,
  channel: Channel,
  path: string,
): PreferenceDecision | undefined {
  for (const name of [channel, 'all'] as const) {
    const isAllowed = switches?.[name]
    if (isAllowed !== undefined) return { isAllowed, rule: `${path}.${name}` }
  }
  return undefined
}

/** A value by a name that the tenant or a user chose. */
const own = <T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined
