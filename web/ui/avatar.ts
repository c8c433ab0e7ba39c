import { names } from '../names.ts'
import { h } from './dom.ts'

/** The initials of a user on a colour of their own; the name stands beside it or is said otherwise. */
export const avatar = (user: string): HTMLElement =>
  h('span', { class: `avatar ${fillOf(user)}`, 'aria-hidden': 'true' }, initialsOf(names.of(user)))

/** Stands for a channel. */
export const channelSign = (): HTMLElement => h('span', { class: 'avatar channel', 'aria-hidden': 'true' }, '#')

/** "Zoë van Dam" is ZD, "alice" is A, "bob-7" is B7. */
export function initialsOf(name: string): string {
  const words = name.split(/[\s\p{P}]+/u).filter((word) => word !== '')
  const [first = '', ...rest] = words
  return [first, rest.at(-1) ?? '']
    .map((word) => firstOf(word))
    .join('')
    .toLocaleUpperCase()
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The first letter as a reader sees it, of whatever code points it is made. */
const firstOf = (word: string): string => [...segmenter.segment(word)][0]?.segment ?? ''

/** FNV-1a, mixed once more so that names that differ in one letter differ in colour. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** One of eight ink colours for a user, as a class. */
export const inkOf = (user: string): string => `ink-${hashOf(user) % 8}`

const fillOf = (user: string): string => `fill-${hashOf(user) % 8}`
