/** What a channel name means: a conversation's stream, or one user's inbox. */
export type Channel =
  | { readonly kind: 'conversation'; readonly id: string }
  | { readonly kind: 'inbox'; readonly user: string }

/** Longest channel name in bytes of ASCII (Centrifuge's own bound). */
export const maxChannelLength = 255

const name = /^[\x21-\x7e]+$/
const id = /^[A-Za-z0-9_-]{1,64}$/

/** Reads a channel name; undefined when its namespace or form is none of ours. */
export function parseChannel(channel: string): Channel | undefined {
  if (channel.length > maxChannelLength || !name.test(channel)) return undefined
  if (channel.startsWith('conversation:')) return conversation(channel.slice('conversation:'.length))
  if (channel.startsWith('user:#')) return { kind: 'inbox', user: channel.slice('user:#'.length) }
  return undefined
}

const conversation = (text: string): Channel | undefined =>
  id.test(text) ? { kind: 'conversation', id: text } : undefined

/** The stream of one conversation. */
export const conversationChannel = (conversation: string): string => `conversation:${conversation}`

/** The personal stream of one user. */
export const inboxChannel = (user: string): string => `user:#${user}`
