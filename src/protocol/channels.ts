/** What a channel name means: a conversation's stream, one user's inbox, or how one job of a queue goes. */
export type Channel =
  | { readonly kind: 'conversation'; readonly id: string }
  | { readonly kind: 'inbox'; readonly user: string }
  | { readonly kind: 'job'; readonly queue: string; readonly job: string }

/** Longest channel name in bytes of ASCII (Centrifuge's own bound). */
export const maxChannelLength = 255

const name = /^[\x21-\x7e]+$/
const id = /^[A-Za-z0-9_-]{1,64}$/
const jobName = /^[A-Za-z0-9_.@-]{1,128}$/

/** Reads a channel name; undefined when its namespace or form is none of ours. */
export function parseChannel(channel: string): Channel | undefined {
  if (channel.length > maxChannelLength || !name.test(channel)) return undefined
  if (channel.startsWith('conversation:')) return conversation(channel.slice('conversation:'.length))
  if (channel.startsWith('user:#')) return { kind: 'inbox', user: channel.slice('user:#'.length) }
  if (channel.startsWith('jobs:')) return job(channel.slice('jobs:'.length))
  return undefined
}

/** `jobs:<id>` in the queue `default`, `jobs:<queue>:<id>` in another. Neither name holds a colon. */
function job(text: string): Channel | undefined {
  const [first = '', second, ...more] = text.split(':')
  const [queue, id] = second === undefined ? ['default', first] : [first, second]
  const valid = more.length === 0 && jobName.test(queue) && jobName.test(id)
  return valid ? { kind: 'job', queue, job: id } : undefined
}

const conversation = (text: string): Channel | undefined =>
  id.test(text) ? { kind: 'conversation', id: text } : undefined

/** The stream of one conversation. */
export const conversationChannel = (conversation: string): string => `conversation:${conversation}`

/** The personal stream of one user. */
export const inboxChannel = (user: string): string => `user:#${user}`

/** How one job goes, for the users it names. */
export const jobChannel = (queue: string, job: string): string =>
  queue === 'default' ? `jobs:${job}` : `jobs:${queue}:${job}`
