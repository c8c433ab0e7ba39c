import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { countEntries, decodePage } from '../../src/history/page-text.ts'
import type { Publication } from '../../src/protocol/replies.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 20 })
/** Entries at ascending seqs, with whatever text people and their clients may be called or say. */
const page = fc
  .uniqueArray(
    fc.record({ offset: fc.integer({ min: 1, max: 1000 }), user: anyText, client: anyText, said: fc.json() }),
    {
      maxLength: 20,
      selector: ({ offset }) => offset,
    },
  )
  .map((all) =>
    all
      .toSorted((a, b) => a.offset - b.offset)
      .map(({ offset, user, client, said }) => ({ offset, data: said, info: { user, client } })),
  )

/** As Postgres puts it together. */
const encodePage = (entries: readonly Publication[]): string =>
  entries
    .map(({ offset, data, info }) =>
      [offset, JSON.stringify(info?.user), JSON.stringify(info?.client), data].join('\t'),
    )
    .join('\n')

test('a page is read as it was written, all of it or a part', () => {
  fc.assert(
    fc.property(page, fc.nat(1000), fc.nat(1000), (written, first, length) => {
      const text = encodePage(written)
      const last = first + length
      expect(countEntries(text)).toBe(written.length)
      expect(decodePage(text, { first: 1, last: 1000 })).toEqual(written)
      expect(decodePage(text, { first, last })).toEqual(
        written.filter(({ offset }) => offset >= first && offset <= last),
      )
    }),
  )
})

test('a text that is no page is none, whatever it says', () => {
  for (const text of ['[]', '{}', 'hello', '1', '1\tada\tc\t{}', '1\t"ada"\t5\t{}', '1\t"ada"', '1\t"a"\t"c"\t{}\n'])
    expect(decodePage(text, { first: 1, last: 100 })).toBeUndefined()
  fc.assert(
    fc.property(anyText, (text) => {
      const read = decodePage(text, { first: 1, last: 100 })
      if (read !== undefined) expect(read.length).toBeLessThanOrEqual(countEntries(text))
    }),
  )
})
