import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ContentFilter } from '../../src/moderation/content-filter.ts'
import { hostsIn } from '../../src/moderation/links.ts'
import { folded, WordAutomaton } from '../../src/moderation/word-automaton.ts'
import { contentRules } from '../../src/protocol/content-rules-api.ts'

const filterOf = (rules: object) => new ContentFilter(contentRules.parse(rules))
const passed = (text: string, flags: readonly string[] = []) => ({ kind: 'passed', text, flags })
const refused = (error: string) => ({ kind: 'refused', error })

/** What a match means, said in the plainest way: each pattern is looked for at each place. */
function plainMatches(words: readonly string[], given: string): string[] {
  const { text } = folded(given)
  const isLetter = (unit: string | undefined) => unit !== undefined && /[\p{L}\p{N}]/u.test(unit)
  return words.flatMap((word, list) => {
    const pattern = folded(word.replaceAll('*', '')).text
    return Array.from({ length: text.length }).flatMap((_, from) => {
      const to = from + pattern.length
      const isWhole = (word.startsWith('*') || !isLetter(text[from - 1])) && (word.endsWith('*') || !isLetter(text[to]))
      return text.startsWith(pattern, from) && isWhole ? [`${list} ${from} ${to}`] : []
    })
  })
}

describe('words', () => {
  test('match whole words and phrases, whatever their case, accents and width', () => {
    const { words } = contentRules.parse({ words: [{ list: ['café', 'free money'], action: 'mask' }] })
    const filter = new ContentFilter({ words })
    expect(filter.check('a', { text: 'A CAFE, not cafes' }, 0)).toEqual(passed('A ****, not cafes'))
    expect(filter.check('a', { text: 'ｃａｆｅ́ x' }, 0)).toMatchObject({ kind: 'passed' })
    expect(filter.check('a', { text: 'FREE MONEY!' }, 0)).toEqual(passed('**********!'))
    expect(filter.check('a', { text: '😀 café 😀' }, 0)).toEqual(passed('😀 **** 😀'))
  })

  test('with * at an end match longer words, and are found at the same places as by looking at each place', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'A', ' ', 'é', '.'), minLength: 1, maxLength: 5 })
    const word = fc
      .tuple(fc.boolean(), letters, fc.boolean())
      .filter(([, middle]) => /[abA]/.test(middle))
      .map(([before, middle, after]) => `${before ? '*' : ''}${middle}${after ? '*' : ''}`)
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'B', ' ', '.', 'é'), maxLength: 30 })
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), text, (words, given) => {
        const found = new WordAutomaton(words.map((one) => [one])).matches(given)
        expect(found.map(({ list, from, to }) => `${list} ${from} ${to}`).toSorted()).toEqual(
          plainMatches(words, given).toSorted(),
        )
      }),
    )
  })

  test('take no longer for a text made to take long', () => {
    const list = Array.from({ length: 60 }, (_, n) => `*${'a'.repeat(n + 1)}b*`)
    const automaton = new WordAutomaton([list])
    const text = 'a'.repeat(16_000)
    expect(automaton.matches(text)).toEqual([])
    expect(automaton.matches(`${text}b`)).toHaveLength(60)
  })

  test('are a word or phrase with * at the ends only, and at most 500', () => {
    const wordsOf = (...list: string[]) => ({ words: [{ list, action: 'refuse' }] })
    for (const bad of ['*', 'a*b', '**a', '...', ''])
      expect(contentRules.safeParse(wordsOf(bad)).success, bad).toBe(false)
    for (const good of ['a', '*a', 'a*', '*a*', 'two words', '18+'])
      expect(contentRules.safeParse(wordsOf(good)).success, good).toBe(true)
    const many = Array.from({ length: 300 }, (_, n) => `w${n}`)
    const twice = [
      { list: many, action: 'refuse' },
      { list: many, action: 'flag' },
    ]
    expect(contentRules.safeParse({ words: twice }).success).toBe(false)
  })

  test('refuse, mask or flag by their list, and one that refuses comes before all', () => {
    const words = [
      { list: ['red'], action: 'refuse' },
      { list: ['blue'], action: 'mask' },
      { list: ['green'], action: 'flag' },
    ]
    const filter = filterOf({ words })
    expect(filter.check('a', { text: 'blue green' }, 0)).toEqual(passed('**** green', ['words 3']))
    expect(filter.check('a', { text: 'blue green red' }, 0)).toMatchObject(refused('contentRefused'))
    expect(filter.check('a', { text: 'white' }, 0)).toEqual(passed('white'))
  })
})

describe('links', () => {
  test('are found with their hosts as browsers call them', () => {
    const text = 'See https://User@EXAMPLE.com:8443/x, www.shop.example and münchen.de/x; not e.g. 1.5 or a..b'
    expect(hostsIn(text).map(({ host }) => host)).toEqual(['example.com', 'www.shop.example', 'xn--mnchen-3ya.de'])
    expect(hostsIn('no links here')).toEqual([])
    expect(hostsIn(`x.${'a'.repeat(5000)}`)).toEqual([])
  })

  test('to denied hosts and their subdomains are refused, also without a scheme and as attachments', () => {
    const filter = filterOf({ links: { deny: ['evil.example'], action: 'refuse' } })
    for (const text of ['https://evil.example/x', 'a.evil.example', 'EVIL.EXAMPLE!'.replace('!', '/')])
      expect(filter.check('a', { text }, 0), text).toMatchObject(refused('contentRefused'))
    for (const text of ['https://notevil.example', 'https://evil.example.org', 'evil example'])
      expect(filter.check('a', { text }, 0), text).toMatchObject({ kind: 'passed' })
    const attachments = [{ url: 'https://cdn.evil.example/1.png' }]
    expect(filter.check('a', { text: 'x', attachments }, 0)).toMatchObject(refused('contentRefused'))
  })

  test('to other hosts than the allowed ones are flagged, and names of files are no links', () => {
    const filter = filterOf({ links: { allow: ['example.com'], action: 'flag' } })
    expect(filter.check('a', { text: 'https://docs.example.com report.pdf' }, 0)).toMatchObject({ flags: [] })
    expect(filter.check('a', { text: 'https://example.org' }, 0)).toMatchObject({ flags: ['link to example.org'] })
  })
})

describe('floods', () => {
  test('are the same text of a user so many times, until the oldest is old; a message that is sent again is none', () => {
    const filter = filterOf({ repeats: { count: 3, seconds: 60, action: 'refuse' } })
    const send = (user: string, text: string, at: number, id = String(at)) => filter.check(user, { text }, at, id)
    expect(send('ann', 'Buy', 0)).toMatchObject({ kind: 'passed' })
    expect(send('ann', ' buy ', 1000)).toMatchObject({ kind: 'passed' })
    expect(send('ann', 'Buy', 2000)).toMatchObject({ ...refused('flood'), retryAfterMs: 58_000 })
    expect(send('ann', 'Buy', 2000, '1000')).toMatchObject({ kind: 'passed' })
    expect(send('ann', 'Other', 2000)).toMatchObject({ kind: 'passed' })
    expect(send('bob', 'Buy', 2000)).toMatchObject({ kind: 'passed' })
    expect(send('ann', 'Buy', 60_000)).toMatchObject({ kind: 'passed' })
  })

  test('are remembered when the rules change', () => {
    const before = filterOf({ repeats: { count: 2, seconds: 60, action: 'refuse' } })
    before.check('ann', { text: 'Buy' }, 0, '1')
    const rules = contentRules.parse({ repeats: { count: 2, seconds: 30, action: 'refuse' } })
    expect(new ContentFilter(rules, before).check('ann', { text: 'Buy' }, 1, '2')).toMatchObject(refused('flood'))
  })

  test('are more mentions than allowed', () => {
    const filter = filterOf({ mentions: { max: 1, action: 'refuse' } })
    expect(filter.check('a', { text: 'x', mentions: { users: ['b'] } }, 0)).toMatchObject({ kind: 'passed' })
    const many = { text: 'x', mentions: { users: ['b', 'c'] } }
    expect(filter.check('a', many, 0)).toMatchObject(refused('contentRefused'))
  })
})
