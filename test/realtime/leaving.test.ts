import { expect, test } from 'vitest'
import type { StreamUpdate } from '../../src/protocol/stream.ts'
import { cutAtLeavings } from '../../src/realtime/leaving.ts'

const said = (offset: number) => ({ offset, data: '{"type":"message","text":"member.left"}' })
const left = (offset: number, member: string) => ({
  offset,
  data: JSON.stringify({ type: 'member.left', user: '', at: 1, member }),
})
const signals: StreamUpdate['signals'] = [{ kind: 'removed', user: 'bob', before: { epoch: 'e', offset: 3 } }]

test('news in which nobody leaves stays in one piece', () => {
  const update = { epoch: 'e', after: 3, publications: [said(4), said(5)], signals }
  expect(cutAtLeavings(update)).toEqual([{ news: update }])
  const empty = { epoch: 'e', after: 3, publications: [], signals }
  expect(cutAtLeavings(empty)).toEqual([{ news: empty }])
})

test('news is cut behind each one who leaves: the pieces follow one another, and signals come last', () => {
  const update = { epoch: 'e', after: 3, publications: [said(4), left(5, 'bob'), left(6, 'carol'), said(7)], signals }
  const pieces = cutAtLeavings(update)
  expect(
    pieces.map(({ news, left: who }) => [news.after, news.publications.map(({ offset }) => offset), who?.user]),
  ).toEqual([
    [3, [4, 5], 'bob'],
    [5, [6], 'carol'],
    [6, [7], undefined],
  ])
  expect(pieces.map(({ news }) => news.signals)).toEqual([[], [], signals])
})
