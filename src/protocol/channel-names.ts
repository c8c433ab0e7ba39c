/** The id in the name of a conversation's channel, without checking it; undefined for other channels. */
export const conversationIn = (channel: string): string | undefined =>
  channel.startsWith('conversation:') ? channel.slice('conversation:'.length) : undefined

/** The stream of one conversation. */
export const conversationChannel = (conversation: string): string => `conversation:${conversation}`

/** The key of a tenant's channel among all channels of a gateway: a tenant's id holds no slash. */
export const channelKey = (tenant: string, channel: string): string => `${tenant}/${channel}`

/** Whether a channel is the stream of one user's own. */
export const isInbox = (channel: string): boolean => channel.startsWith('user:#')
