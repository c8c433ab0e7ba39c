import { expect, test } from 'vitest'
import type { StreamUpdate } from '../../src/protocol/stream.ts'
import { splitAtRemovals } from '../../durable-objects/gateway/channels/channel-updates.ts'

const message = (offset: number) => ({ offset, data: '{"type":"message","text":"member.left"}' })
const left = (offset: number, member: string) => ({
  offset,
  data: JSON.stringify({ type: 'member.left', user: '', at: 1, member }),
})
const events: StreamUpdate['events'] = [{ kind: 'removed', user: 'bob', before: { epoch: 'e', offset: 3 } }]

test('an update in which no member leaves stays in one part', () => {
  const update = { epoch: 'e', after: 3, publications: [message(4), message(5)], events }
  expect(splitAtRemovals(update)).toEqual([{ update }])
  const empty = { epoch: 'e', after: 3, publications: [], events }
  expect(splitAtRemovals(empty)).toEqual([{ update: empty }])
})

test('an update is cut behind each member who leaves: the parts follow one another, and events come with the last', () => {
  const update = {
    epoch: 'e',
    after: 3,
    publications: [message(4), left(5, 'bob'), left(6, 'carol'), message(7)],
    events,
  }
  const parts = splitAtRemovals(update)
  expect(
    parts.map(({ update: { after, publications }, removed }) => [
      after,
      publications.map(({ offset }) => offset),
      removed?.user,
    ]),
  ).toEqual([
    [3, [4, 5], 'bob'],
    [5, [6], 'carol'],
    [6, [7], undefined],
  ])
  expect(parts.map(({ update: { events } }) => events)).toEqual([[], [], events])
})
