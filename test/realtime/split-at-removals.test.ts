import { expect, test } from 'vitest'
import type { StreamUpdate } from '../../src/protocol/stream.ts'
import { splitAtRemovals } from '../../src/realtime/split-at-removals.ts'

const said = (offset: number) => ({ offset, data: '{"type":"message","text":"member.left"}' })
const left = (offset: number, member: string) => ({
  offset,
  data: JSON.stringify({ type: 'member.left', user: '', at: 1, member }),
})
const signals: StreamUpdate['events'] = [{ kind: 'removed', user: 'bob', before: { epoch: 'e', offset: 3 } }]

test('news in which nobody leaves stays in one piece', () => {
  const update = { epoch: 'e', after: 3, publications: [said(4), said(5)], events: signals }
  expect(splitAtRemovals(update)).toEqual([{ news: update }])
  const empty = { epoch: 'e', after: 3, publications: [], events: signals }
  expect(splitAtRemovals(empty)).toEqual([{ news: empty }])
})

test('news is cut behind each one who leaves: the pieces follow one another, and signals come last', () => {
  const update = {
    epoch: 'e',
    after: 3,
    publications: [said(4), left(5, 'bob'), left(6, 'carol'), said(7)],
    events: signals,
  }
  const pieces = splitAtRemovals(update)
  expect(
    pieces.map(({ update: news, removed: who }) => [
      news.after,
      news.publications.map(({ offset }) => offset),
      who?.user,
    ]),
  ).toEqual([
    [3, [4, 5], 'bob'],
    [5, [6], 'carol'],
    [6, [7], undefined],
  ])
  expect(pieces.map(({ update: news }) => news.events)).toEqual([[], [], signals])
})
