import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareAnswers, compareRules, maxDifferences, type ComparedAnswer } from '../../src/facade/diff.ts'
import type { Difference } from '../../src/protocol/facade-api.ts'

function answerOf(
  value: unknown,
  {
    status = 200,
    headers = {},
    isWhole = true,
  }: {
    readonly status?: number
    readonly headers?: Readonly<Record<string, string>>
    readonly isWhole?: boolean
  } = {},
): ComparedAnswer {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return {
    status,
    headers: new Headers({ 'content-type': typeof value === 'string' ? 'text/plain' : 'application/json', ...headers }),
    body: { bytes: new TextEncoder().encode(text), isWhole, hash: text },
  }
}

const plain = compareRules({ headers: [], json: [] }, false)
const withValues = compareRules({ headers: [], json: [] }, true)
const differ = (one: unknown, other: unknown, rules = plain) =>
  compareAnswers(answerOf(one), answerOf(other), rules).differences

const mirrored = ({ at, change, legacy, new: next }: Difference): Difference => ({
  at,
  change: change === 'only-legacy' ? 'only-new' : change === 'only-new' ? 'only-legacy' : change,
  ...(next === undefined ? {} : { legacy: next }),
  ...(legacy === undefined ? {} : { new: legacy }),
})

describe('a comparison', () => {
  test('exchanges the sides when its answers are exchanged, and changes in nothing else', () => {
    const headers = fc.dictionary(fc.constantFrom('x-a', 'x-b', 'date'), fc.constantFrom('1', '2'))
    const answers = fc
      .tuple(fc.jsonValue(), headers, fc.constantFrom(200, 404), fc.boolean())
      .map(([value, fields, status, isWhole]) => answerOf(value, { headers: fields, status, isWhole }))
    fc.assert(
      fc.property(answers, answers, (one, other) => {
        const forward = compareAnswers(one, other, withValues)
        const back = compareAnswers(other, one, withValues)
        expect(back).toEqual({ ...forward, differences: forward.differences.map(mirrored) })
      }),
    )
  })

  test('finds no difference in an answer and itself, nor in the order of the members of objects', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(differ(value, JSON.parse(JSON.stringify(value)))).toEqual([])
      }),
    )
    expect(differ({ a: 1, b: [2] }, { b: [2], a: 1 })).toEqual([])
  })

  test('names each difference by status, header or JSON pointer', () => {
    const legacy = answerOf({ items: [{ price: 1 }, { price: 2 }], 'a/b~': 1, gone: 1 }, { headers: { 'x-a': '1' } })
    const next = answerOf(
      { items: [{ price: 1 }, { price: '2' }], 'a/b~': 2, came: {} },
      { status: 201, headers: { 'x-b': '1' } },
    )
    expect(compareAnswers(legacy, next, withValues).differences).toEqual([
      { at: 'status', change: 'changed', legacy: '200', new: '201' },
      { at: 'header x-a', change: 'only-legacy', legacy: '1' },
      { at: 'header x-b', change: 'only-new', new: '1' },
      { at: '/a~1b~0', change: 'changed', legacy: '1', new: '2' },
      { at: '/came', change: 'only-new', new: 'an object' },
      { at: '/gone', change: 'only-legacy', legacy: '1' },
      { at: '/items/1/price', change: 'changed', legacy: '2', new: '"2"' },
    ])
  })

  test('leaves out what the rules ignore, and the values where they are not asked for', () => {
    const rules = compareRules({ headers: ['X-A'], json: ['/items/*/at', '/secret'] }, false)
    const legacy = answerOf(
      { items: [{ at: 1, n: 1 }], secret: 1 },
      { headers: { 'x-a': '1', date: 'a', server: 'a' } },
    )
    const next = answerOf({ items: [{ at: 2, n: 2 }] }, { headers: { date: 'b', etag: '"x"' } })
    expect(compareAnswers(legacy, next, rules).differences).toEqual([{ at: '/items/0/n', change: 'changed' }])
  })

  test('compares the beginning of what is too large, its media type and length, and says so', () => {
    const large = (hash: string, length: string) =>
      answerOf(hash, { isWhole: false, headers: { 'content-length': length } })
    const same = compareAnswers(large('a', '50000000'), large('a', '50000000'), plain)
    expect([same.isPartial, same.differences]).toEqual([true, []])
    for (const other of [large('b', '50000000'), large('a', '50000001'), answerOf('a')])
      expect(compareAnswers(large('a', '50000000'), other, plain).differences).toContainEqual({
        at: 'body',
        change: 'changed',
      })
  })

  test('ends with so many differences, and with a depth: the rest is counted', () => {
    const many = (value: number) => Array.from({ length: 1000 }, () => value)
    const { differences, more } = compareAnswers(answerOf(many(1)), answerOf(many(2)), plain)
    expect([differences.length, more]).toEqual([maxDifferences, 1000 - maxDifferences])
    const nested = (text: string): ComparedAnswer => ({
      ...answerOf({}),
      body: { bytes: new TextEncoder().encode(text), isWhole: true, hash: text },
    })
    const text = (value: number) => `${'['.repeat(30_000)}${value}${']'.repeat(30_000)}`
    const found = compareAnswers(nested(text(1)), nested(text(2)), plain).differences
    expect(found.map(({ change }) => change)).toEqual(['not-compared'])
  })

  test('takes what claims to be JSON and is none for bytes', () => {
    const broken = (text: string): ComparedAnswer => ({
      ...answerOf({}),
      body: { bytes: new TextEncoder().encode(text), isWhole: true, hash: text },
    })
    expect(compareAnswers(broken('{'), broken('{}'), plain).differences).toEqual([{ at: 'body', change: 'changed' }])
  })
})
