import { repairedText } from '../src/kernel/text-transforms.ts'
import { isBlank } from '../src/kernel/text.ts'
import { ParleyError, type ListItem } from '../sdk/index.ts'
import { names } from './names.ts'

/** What went wrong, in words for people, with what they can do about it. */
export function explain(thrown: unknown): string {
  if (!(thrown instanceof ParleyError)) return 'Something went wrong. Please try again.'
  switch (thrown.kind) {
    case 'unreachable':
      return 'No connection to the server.'
    case 'tooFast':
      return `Too fast. Wait ${seconds(thrown.retryAfterMs)} and try again.`
    case 'tooLarge':
      return 'This is too long.'
    case 'invalid':
      return `The server does not accept this: ${detail(thrown.message)}.`
    case 'notAllowed':
      return `You are not allowed to do this: ${detail(thrown.message)}.`
    case 'notFound':
      return 'This does not exist any more, or it is not yours to see.'
    case 'conflict':
      return 'This was changed at the same time. Please try again.'
    case 'unauthorized':
      return 'The server does not accept this name here.'
    case 'notAvailable':
      return 'This server does not offer that.'
    case 'server':
      return 'The server had a problem. Please try again in a moment.'
  }
}

/** A wait in whole seconds, at least one. */
export const seconds = (ms: number | undefined): string => `${Math.max(1, Math.ceil((ms ?? 1000) / 1000))} s`

/** "not allowed: only its author may edit" says the same twice: what follows the colon is enough. */
const detail = (message: string): string => message.replace(/^(?:not allowed|invalid payload|bad request): /, '')

/** The title of a conversation for `me`: its name, or its other members. */
export function nameOf({ name, members, type }: Pick<ListItem, 'name' | 'members' | 'type'>, me: string): string {
  if (name !== '') return name
  const others = members.filter((member) => member !== me)
  if (others.length > 0) return others.map((user) => names.of(user)).join(', ')
  return type === 'direct' ? 'Just you' : 'Unnamed conversation'
}

/** "bob", "bob and carol", "bob, carol and 3 others". */
export function listed(names: readonly string[]): string {
  const [first = '', second = '', ...rest] = names
  if (names.length <= 1) return first
  if (names.length === 2) return `${first} and ${second}`
  return `${first}, ${second} and ${rest.length === 1 ? rest[0] : `${rest.length} others`}`
}

/** "1 member", "3 members". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** A user id as typed: spaces become dashes, since an id has none. */
export const asUserId = (typed: string): string => typed.trim().replaceAll(/\s+/g, '-')

/** The user ids in a text, apart by spaces, line breaks, commas or semicolons. */
export const namesIn = (typed: string): readonly string[] => typed.split(/[\s,;，、；]+/).filter((name) => name !== '')

/** Why this cannot be a user id, or undefined when it can. */
export function idProblem(id: string): string | undefined {
  if (id === '') return 'Please enter a name.'
  if (id === '.' || id === '..') return 'A name is more than dots.'
  if (!/^[\x21-\x7e]+$/.test(id)) return 'Use plain letters, digits and signs (a–z, 0–9, - . _).'
  return id.length > 128 ? 'At most 128 characters, please.' : undefined
}

/** What was typed or pasted, without what the server would refuse; empty when it shows nothing. */
export function cleaned(typed: string): string {
  const text = repairedText(typed).trim()
  return isBlank(text) ? '' : text
}

const encoder = new TextEncoder()
/** Length in bytes of UTF-8, what the limit counts. */
export const bytesOf = (text: string): number => encoder.encode(text).byteLength
