import { describe, expect, test } from 'vitest'
import { excerptOf } from '../../src/search/excerpt.ts'
import { decodeCursor, encodeCursor } from '../../src/search/cursor.ts'
import { indexedIn } from '../../src/search/indexed.ts'
import { maxSearchWords, readPattern } from '../../src/search/query.ts'
import { termsOf, wordsOf } from '../../src/search/words.ts'

const wordsIn = (text: string) => [...wordsOf(text)].map(({ word }) => word)

describe('the words of a text', () => {
  test('are the same whatever the case, the width and the accents of Latin letters', () => {
    expect(wordsIn('Café ÜBER Ｈｅｌｌｏ')).toEqual(['cafe', 'uber', 'hello'])
    expect(wordsIn('йогурт')).toEqual(['йогурт'])
  })

  test('are pairs of characters in scripts without spaces, and the last character by itself', () => {
    expect(wordsIn('東京都')).toEqual(['東京', '京都', '都'])
    expect(wordsIn('서울에서 만나')).toEqual(['서울', '울에', '에서', '서', '만나', '나'])
    expect(wordsIn('iPhone15を買う')).toEqual(['iphone15', 'を買', '買う', 'う'])
  })

  test('have their places in the text', () => {
    const text = '👋 「東京」 Zoë'
    const found = [...wordsOf(text)].map(({ word, position, start, end }) => [word, position, text.slice(start, end)])
    expect(found).toEqual([
      ['東京', 1, '東京'],
      ['京', 2, '京'],
      ['zoe', 3, 'Zoë'],
    ])
  })

  test('contain no character that means something to Postgres, whatever the text', () => {
    const text = `it's ~a\\b:c & d|e !f (g) 'h' "i" ﷺ ½ \u0000 ' & '`
    expect(termsOf(text)).toMatch(/^(?:'~[\p{L}\p{M}\p{N}]+':[\d,]+(?: |$))+$/u)
  })
})

/** What a message must have. */
function allOf(text: string): string | undefined {
  const pattern = readPattern(text)
  return pattern === 'too-many' ? pattern : pattern?.all
}

describe('the text of a search', () => {
  test('asks for each word, words in a row, and beginnings', () => {
    expect(readPattern('Lunch "see you" tom*')).toEqual({
      all: `'~lunch' & ('~see' <1> '~you') & '~tom':*`,
      any: `'~lunch' | '~see' | '~you' | '~tom':*`,
    })
  })

  test('asks for joined parts as they are joined', () => {
    expect(allOf('well-known')).toBe(`('~well' <1> '~known')`)
  })

  test('asks for pairs of characters in scripts without spaces, and for one character as the beginning of pairs', () => {
    expect(allOf('東京')).toBe(`'~東京'`)
    expect(allOf('東京都')).toBe(`('~東京' <1> '~京都')`)
    expect(allOf('都')).toBe(`'~都':*`)
    expect(allOf('"東京 タワー"')).toBe(`('~東京' <2> '~タワ' <1> '~ワー')`)
  })

  test('may end in the middle of a quote', () => {
    expect(allOf('"see you')).toBe(`('~see' <1> '~you')`)
    expect(allOf('a "')).toBe(`'~a'`)
  })

  test('has a word, and not too many of them', () => {
    expect(readPattern(' "" * … ')).toBeUndefined()
    expect(readPattern('a '.repeat(maxSearchWords + 1))).toBe('too-many')
    expect(readPattern('東'.repeat(maxSearchWords + 2))).toBe('too-many')
  })
})

describe('the entries of a log', () => {
  const entry = (seq: number, data: object) => ({ seq, at: 1000 + seq, user: 'alice', data: JSON.stringify(data) })
  const message = (seq: number, text: string, more: object = {}) =>
    entry(seq, { type: 'message', id: `c.${seq}`, user: 'alice', at: 1, text, ...more })
  const sent = { user: 'alice', thread: null }

  test('is the newest text of each message', () => {
    const edited = entry(2, { type: 'message.edited', ref: 1, text: 'two' })
    const expected = [
      { seq: 1, version: 2, sent: { at: 1001, ...sent }, attached: '', text: 'two', words: `'~two':1`, deleted: false },
    ]
    expect(indexedIn([message(1, 'one'), edited])).toEqual(expected)
  })

  test('is nothing but the deletion once a message is deleted', () => {
    const removed = entry(2, { type: 'message.deleted', ref: 1 })
    const [found] = indexedIn([message(1, 'secret'), removed])
    expect(found).toMatchObject({ seq: 1, version: 2, text: '', words: '', deleted: true })
    expect(indexedIn([message(1, '', { deleted: true })])).toMatchObject([{ text: '', words: '', deleted: true }])
  })

  test('has links, files, images and threads', () => {
    const attachments = [{ type: 'image', url: 'https://cdn.example/x.png' }]
    const [found] = indexedIn([message(3, 'see https://example.com', { attachments, thread: 1 })])
    expect(found?.words).toContain(`'~+link'`)
    expect(found).toMatchObject({ sent: { thread: 1 }, attached: ` '~+file' '~+image'` })
  })

  test('holds no character that Postgres refuses in a text', () => {
    expect(indexedIn([message(1, 'a\u0000b \uD800c')])[0]?.text).toBe('a\uFFFDb \uFFFDc')
  })

  test('is a restored message with its files, although only its place without content is left of it', () => {
    const tombstone = message(1, '', { deleted: true, thread: 7 })
    const content = {
      type: 'message',
      text: 'again',
      attachments: [{ type: 'image', url: 'https://cdn.example/x.png' }],
    }
    const restored = entry(3, { type: 'message.edited', ref: 1, text: 'again', content })
    const [found] = indexedIn([tombstone, entry(2, { type: 'message.deleted', ref: 1 }), restored])
    expect(found).toMatchObject({ version: 3, text: 'again', deleted: false, attached: ` '~+file' '~+image'` })
    expect(found?.sent).toEqual({ at: 1001, user: 'alice', thread: 7 })
  })

  test('leaves out entries that are no messages, and those of another form, which hold up no others', () => {
    expect(indexedIn([entry(1, { type: 'member.joined', member: 'bob' })])).toEqual([])
    const odd = entry(2, { type: 'message', text: 5 })
    expect(indexedIn([odd, message(3, 'three')]).map(({ seq }) => seq)).toEqual([3])
  })
})

describe('an excerpt', () => {
  test('marks words, and pairs that touch as one', () => {
    expect(excerptOf('go to 東京都', [3, 4]).marks).toEqual([[6, 9]])
  })

  test('of a long text is the part around the first mark', () => {
    const { text, marks, isCut } = excerptOf(`${'x '.repeat(1000)}lunch${' y'.repeat(1000)}`, [1001])
    expect(text.length).toBe(600)
    expect(isCut).toEqual([true, true])
    expect(text.slice(...(marks[0] ?? [0, 0]))).toBe('lunch')
  })
})

describe('a cursor', () => {
  test('reads what was written, and nothing else', () => {
    const at = { at: 5, conversation: 'c', seq: 7 }
    expect(decodeCursor(encodeCursor(at))).toEqual(at)
    const ranked = { ...at, ranked: { score: 0.5, newest: 9 } }
    expect(decodeCursor(encodeCursor(ranked))).toEqual(ranked)
    for (const bad of ['', 'x', '{}', btoa('[1]'), btoa('["a","b",1]')]) expect(decodeCursor(bad)).toBeUndefined()
  })
})
