import { refuse, type Refusal } from './errors.ts'

export { conversationChannel, conversationIn } from './channel-names.ts'

/**
 * The meaning of a channel name: a conversation's stream, one user's inbox, the progress of one job of a queue,
 * of one run of a saga or of one instance of a process, or a plain topic.
 */
export type Channel =
  | { readonly kind: 'conversation'; readonly id: string }
  | { readonly kind: 'inbox'; readonly user: string }
  | { readonly kind: 'job'; readonly queue: string; readonly job: string }
  | { readonly kind: 'saga'; readonly run: string }
  | { readonly kind: 'process'; readonly process: string; readonly correlation: string }
  | TopicName

/** A plain topic of a tenant: `orders:42` in the namespace `orders`, `cursors` in `default`. */
export interface TopicName {
  readonly kind: 'topic'
  readonly namespace: string
  /** Begins with `$`: only a subscription token opens it. */
  readonly isPrivate: boolean
  /** The users named behind `#`, who alone may subscribe; undefined when none are named. */
  readonly users: readonly string[] | undefined
}

/** The namespace of names without a colon. */
export const defaultNamespace = 'default'

/** Namespaces that no tenant can configure: the platform's, and the one that has no name on the wire. */
export const reservedNamespaces: ReadonlySet<string> = new Set([
  'conversation',
  'user',
  'jobs',
  'saga',
  'process',
  defaultNamespace,
])

/** Longest channel name in bytes of ASCII (Centrifuge's own bound). */
export const maxChannelLength = 255

const name = /^[\x21-\x7e]+$/
const id = /^[A-Za-z0-9_-]{1,64}$/
const processName = /^[A-Za-z0-9_.-]{1,64}$/
const jobName = /^[A-Za-z0-9_.@-]{1,128}$/

/** Reads a channel name; undefined when its namespace or form is not one of ours. */
export function parseChannel(channel: string): Channel | undefined {
  if (channel.length > maxChannelLength || !name.test(channel)) return undefined
  if (channel.startsWith('conversation:')) return conversation(channel.slice('conversation:'.length))
  if (channel.startsWith('user:#')) return inbox(channel.slice('user:#'.length))
  if (channel.startsWith('jobs:')) return job(channel.slice('jobs:'.length))
  if (channel.startsWith('saga:')) return saga(channel.slice('saga:'.length))
  if (channel.startsWith('process:')) return process(channel.slice('process:'.length))
  return topic(channel)
}

/** Why a name has no meaning: its form is wrong, or its namespace has no such channels. */
export function channelProblem(channel: string): Refusal {
  if (channel.length > maxChannelLength) return refuse('badRequest', `channel: at most ${maxChannelLength} characters`)
  if (canonicalChannel(channel) !== channel)
    return refuse('unknownChannel', `channel: "${channel}" is named ${canonicalChannel(channel)}`)
  if (!hasReservedNamespace(channel) && !isTopicName(channel))
    return refuse('badRequest', 'channel: printable ASCII without spaces, "/", "*" and "&"')
  return refuse(
    'unknownChannel',
    'channels are conversation:<id>, user:#<you>, jobs:<id>, saga:<id>, process:<name>:<correlation> and those of your namespaces',
  )
}

function topic(channel: string): TopicName | undefined {
  if (!isTopicName(channel) || hasReservedNamespace(channel)) return undefined
  const hash = channel.indexOf('#')
  return {
    kind: 'topic',
    namespace: namespaceOf(channel) ?? defaultNamespace,
    isPrivate: channel.startsWith('$'),
    users: hash < 0 ? undefined : channel.slice(hash + 1).split(','),
  }
}

/** `/`, `*` and `&` are reserved for patterns (Centrifuge protocol, "Channel names"). */
const isTopicName = (channel: string) => name.test(channel) && !/[/*&]/.test(channel)

const hasReservedNamespace = (channel: string) => reservedNamespaces.has(namespaceOf(channel) ?? '')

/** The part before the first colon, without the mark of private channels. */
function namespaceOf(channel: string): string | undefined {
  const bare = channel.startsWith('$') ? channel.slice(1) : channel
  const colon = bare.indexOf(':')
  return colon < 0 ? undefined : bare.slice(0, colon)
}

/**
 * `jobs:<id>` in the queue `default`, `jobs:<queue>:<id>` in another. Neither name holds a colon. A channel has one name: what
 * is published to `jobs:<id>` would not reach a subscriber of `jobs:default:<id>`.
 */
function job(text: string): Channel | undefined {
  const [first = '', second, ...more] = text.split(':')
  const [queue, id] = second === undefined ? ['default', first] : [first, second]
  const isAlias = second !== undefined && queue === 'default'
  const valid = more.length === 0 && !isAlias && jobName.test(queue) && jobName.test(id)
  return valid ? { kind: 'job', queue, job: id } : undefined
}

/**
 * The canonical name of a channel that can be written in two ways. Servers may use either; a client's own subscription
 * must use this one, since its SDK sorts publications by the name it subscribed with.
 */
export const canonicalChannel = (channel: string): string =>
  channel.startsWith(jobsOfDefault) ? `jobs:${channel.slice(jobsOfDefault.length)}` : channel

const jobsOfDefault = `jobs:${defaultNamespace}:`

const saga = (text: string): Channel | undefined => (jobName.test(text) ? { kind: 'saga', run: text } : undefined)

/** An instance whose correlation id has other characters has no channel. */
function process(text: string): Channel | undefined {
  const [name = '', correlation = '', ...more] = text.split(':')
  const valid = more.length === 0 && processName.test(name) && jobName.test(correlation)
  return valid ? { kind: 'process', process: name, correlation } : undefined
}

/** Anonymous users share a user id, "", and therefore have no stream of their own. */
const inbox = (user: string): Channel | undefined => (user === '' ? undefined : { kind: 'inbox', user })

const conversation = (text: string): Channel | undefined =>
  id.test(text) ? { kind: 'conversation', id: text } : undefined

/** The personal stream of one user. */
export const inboxChannel = (user: string): string => `user:#${user}`

/** The user whose personal stream this channel is; undefined for other channels. */
export const inboxUserIn = (channel: string): string | undefined =>
  channel.startsWith('user:#') ? channel.slice('user:#'.length) : undefined

/** The topic `#<user>`, which no other user may subscribe to; undefined where no channel can be named after the user id. */
export function personalTopic(user: string): string | undefined {
  const channel = `#${user}`
  const parsed = parseChannel(channel)
  const isTopic = parsed?.kind === 'topic' && parsed.namespace === defaultNamespace
  return isTopic && parsed.users?.length === 1 && user !== '' ? channel : undefined
}

/** The progress of one job, for the users it names. */
export const jobChannel = (queue: string, job: string): string =>
  queue === 'default' ? `jobs:${job}` : `jobs:${queue}:${job}`

/** The history of one run of a saga, for the users it names. */
export const sagaChannel = (run: string): string => `saga:${run}`

/** The history of one instance of a process, for the users that the process names. */
export const processChannel = (process: string, correlation: string): string => `process:${process}:${correlation}`
