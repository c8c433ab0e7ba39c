import { describe, expect, test } from 'vitest'
import { readEntry, type Entry } from '../sdk/entries.ts'
import { httpFailure, wireFailure, type ParleyError } from '../sdk/failure.ts'
import { byActivity, readInboxUpdate, withItem, type Inbox, type ListItem } from '../sdk/inbox.ts'
import { linesOf } from '../sdk/lines.ts'
import * as people from '../sdk/people.ts'
import * as log from '../sdk/timeline.ts'
import { unknown, viewOf, withEntries, withSignal, withState } from '../sdk/view.ts'

const said = (user: string, text: string, clientId = `${user}-${text}`): Entry =>
  readEntry({ type: 'message', id: 'm', clientId, user, at: 1, text })
const edit = (ref: number, text: string): Entry => readEntry({ type: 'message.edited', user: 'ann', at: 2, ref, text })
const deletion = (ref: number): Entry => readEntry({ type: 'message.deleted', user: 'ann', at: 2, ref })
const at = (seq: number, entry: Entry) => ({ seq, entry })

const start = log.emptyTimeline('ann')
const placed = (...entries: readonly [number, Entry][]) =>
  log.place(
    start,
    entries.map(([seq, entry]) => at(seq, entry)),
  )
const texts = (timeline: log.Timeline) =>
  linesOf(timeline).map((line) => (line.kind === 'message' ? line.text : line.subject))
const refusal = (code: number, message = 'no') => wireFailure({ code, message })

describe('a timeline', () => {
  test('is in order of offsets, however its pieces arrive', () => {
    const late = log.place(placed([3, said('bob', 'three')]), [at(1, said('bob', 'one')), at(2, said('bob', 'two'))])
    expect(texts(late)).toEqual(['one', 'two', 'three'])
  })

  test('shows nothing twice, however often it comes', () => {
    const once = placed([1, said('bob', 'one')], [2, said('bob', 'two')])
    const again = log.place(once, [at(2, said('bob', 'two')), at(1, said('bob', 'one'))])
    expect(again).toBe(once)
    expect(texts(placed([1, said('bob', 'one')], [1, said('bob', 'one')]))).toEqual(['one'])
  })

  test('applies the newest edit, also when the edit is known before the message', () => {
    const edited = placed([5, edit(1, 'second try')], [3, edit(1, 'first try')])
    expect(texts(log.place(edited, [at(1, said('ann', 'typo'))]))).toEqual(['second try'])
  })

  test('takes the words out of a deleted message and keeps its place', () => {
    const [first, second] = linesOf(placed([1, said('ann', 'oops')], [2, said('bob', 'what?')], [3, deletion(1)]))
    expect(first).toMatchObject({ deleted: true, text: '', seq: 1 })
    expect(second).toMatchObject({ deleted: false, text: 'what?' })
  })

  test('knows whose a deleted message was from who published it', () => {
    expect(readEntry({ type: 'message', deleted: true, at: 9 }, 'bob')).toMatchObject({ user: 'bob', deleted: true })
  })

  test('finds the hole between a page and the stream', () => {
    const torn = placed([1, said('bob', 'one')], [2, said('bob', 'two')], [6, said('bob', 'six')])
    expect(log.hole(torn)).toEqual({ after: 2, before: 6 })
    expect(
      log.hole(
        log.place(
          torn,
          [3, 4, 5].map((seq) => at(seq, said('bob', `${seq}`))),
        ),
      ),
    ).toBeUndefined()
  })

  test('keeps a place for what it does not understand, and shows nothing there', () => {
    const strange = placed([1, said('bob', 'one')], [2, readEntry({ type: 'message.sung', user: 'bob', at: 1 })])
    expect(log.newest(strange)).toBe(2)
    expect(log.hole(strange)).toBeUndefined()
    expect(texts(strange)).toEqual(['one'])
  })
})

describe('a message on its way', () => {
  const sending = log.say(placed([1, said('bob', 'hi')]), 'c1', 'hello', 5)

  test('shows at the end at once, and under the same key once it has its place', () => {
    const [, before] = linesOf(sending)
    const [, after, ...more] = linesOf(log.place(sending, [at(2, said('ann', 'hello', 'c1'))]))
    expect(before).toMatchObject({ text: 'hello', delivery: 'sending', seq: 0, mine: true })
    expect(after).toMatchObject({ text: 'hello', delivery: 'sent', seq: 2 })
    expect(after?.key).toBe(before?.key)
    expect(more).toEqual([])
  })

  test('is shown once whether the answer or the stream comes first', () => {
    const answered = log.acknowledge(sending, 'c1', 2)
    expect(texts(answered)).toEqual(['hi', 'hello'])
    expect(texts(log.place(answered, [at(2, said('ann', 'hello', 'c1'))]))).toEqual(['hi', 'hello'])
    const heard = log.place(sending, [at(2, said('ann', 'hello', 'c1'))])
    expect(texts(log.acknowledge(heard, 'c1', 2))).toEqual(['hi', 'hello'])
  })

  test("is not mistaken for another's message with the same clientId", () => {
    expect(texts(log.place(sending, [at(2, said('bob', 'mine', 'c1'))]))).toEqual(['hi', 'mine', 'hello'])
  })

  test('waits when the trouble will pass, and fails when it will not', () => {
    const state = (problem: ParleyError) => log.stall(sending, 'c1', problem).outgoing[0]?.delivery
    expect(state(refusal(111))).toBe('waiting')
    expect(state(refusal(1))).toBe('waiting')
    expect(state(refusal(403))).toBe('failed')
    expect(log.resend(log.stall(sending, 'c1', refusal(403)), 'c1').outgoing).toEqual(sending.outgoing)
  })

  test('survives a restart of the log, and goes when the stream has passed its place', () => {
    const restarted = log.restart(log.acknowledge(sending, 'c1', 2), 'e2')
    expect(texts(restarted)).toEqual(['hello'])
    expect(texts(log.place(restarted, [at(9, said('bob', 'later'))]))).toEqual(['later'])
  })
})

describe('the state of a conversation', () => {
  const state = {
    type: 'group',
    name: 'Crew',
    last: 4,
    role: 'owner',
    memberCount: 2,
    members: [
      { user: 'ann', role: 'owner', read: 2 },
      { user: 'bob', role: 'member', read: 4 },
    ],
  }
  const known = withState(unknown('ann'), state)
  const joined = readEntry({ type: 'member.joined', user: 'ann', at: 3, member: 'cy' })

  test('comes from the state that the server gave, and changes with later entries only', () => {
    const later = viewOf(withEntries(known, [at(5, joined)]), false)
    expect(later.members.map(({ user }) => user)).toEqual(['ann', 'bob', 'cy'])
    expect(later.properties.memberCount).toBe(3)
    const history = viewOf(withEntries(known, [at(3, joined)]), false)
    expect(history.properties.memberCount).toBe(2)
    expect(history.lines).toHaveLength(1)
  })

  test('changes in the order of the log, however entries come', () => {
    const name = (to: string) => readEntry({ type: 'conversation.renamed', user: 'ann', at: 3, name: to })
    const page = [at(6, name('Second')), at(5, name('First'))]
    expect(viewOf(withEntries(known, page), false).properties.name).toBe('Second')
  })

  test('an entry that comes twice changes it once', () => {
    const twice = withEntries(withEntries(known, [at(5, joined)]), [at(5, joined)])
    expect(viewOf(twice, false).properties.memberCount).toBe(3)
  })

  test('a role is known of members and of oneself, and shown', () => {
    const role = (member: string) => readEntry({ type: 'member.role', user: 'ann', at: 3, member, role: 'admin' })
    const view = viewOf(withEntries(known, [at(5, role('bob')), at(6, role('ann'))]), false)
    expect(view.members.map((member) => member.role)).toEqual(['admin', 'admin'])
    expect(view.properties.role).toBe('admin')
    expect(view.lines).toMatchObject([
      { what: 'role', subject: 'bob', role: 'admin' },
      { what: 'role', subject: 'ann', role: 'admin' },
    ])
  })

  test('a read cursor never moves back', () => {
    const read = withSignal(
      withSignal(known, { type: 'read', user: 'ann', seq: 4 }, 0),
      { type: 'read', user: 'ann', seq: 3 },
      0,
    )
    expect(viewOf(read, false).read).toBe(4)
  })

  test('one has read as far as the server says, also where too many belong to it to name all', () => {
    const large = { ...state, memberCount: 500, role: 'member', read: 3, members: [{ user: 'aaron', role: 'owner' }] }
    expect(viewOf(withState(unknown('ann'), large), false).read).toBe(3)
    const guest = viewOf(withState(unknown('ann'), { ...large, role: null, read: 0 }), false)
    expect(guest.members.map(({ user }) => user)).toEqual(['aaron'])
  })

  test('a typing user counts as typing for a while, until they have sent it', () => {
    const typing = withSignal(known, { type: 'typing', user: 'bob' }, 1000)
    expect(viewOf(typing, false).typing).toEqual(['bob'])
    expect(viewOf(withEntries(typing, [at(5, said('bob', 'done'))]), false).typing).toEqual([])
    expect(people.settled(typing.people, 1000 + people.typingLastsMs).typing.size).toBe(0)
    expect(people.settled(typing.people, 1000)).toBe(typing.people)
  })

  test('a user that went is not here with any tab', () => {
    const two = people.came(people.came(people.noPeople, 'tab1', 'bob'), 'tab2', 'bob')
    expect(people.went(two, 'bob').here.size).toBe(0)
    expect(people.went(two, 'alice').here.size).toBe(2)
  })
})

describe('the list of conversations', () => {
  const item = (id: string, last: number, read: number, when: number): ListItem => ({
    id,
    type: 'group',
    name: id,
    mentions: 0,
    last,
    read,
    unread: last - read,
    at: when,
    preview: null,
    members: [],
  })
  const none: Inbox = new Map()

  test('believes the source that knows more, in either order', () => {
    const fresh = withItem(none, item('a', 5, 5, 50))
    expect(withItem(fresh, item('a', 4, 0, 40))).toBe(fresh)
    expect(withItem(fresh, item('a', 5, 3, 50))).toBe(fresh)
    expect(withItem(fresh, item('a', 6, 5, 60)).get('a')?.unread).toBe(1)
  })

  test('stands in order of activity', () => {
    const inbox = [item('a', 1, 0, 10), item('b', 1, 0, 30), item('c', 1, 0, 20)].reduce(withItem, none)
    expect(byActivity(inbox).map(({ id }) => id)).toEqual(['b', 'c', 'a'])
  })

  test('reads updates, and leaves alone what is about something else', () => {
    const news = readInboxUpdate({
      type: 'unread',
      conversation: 'a',
      conversationType: 'direct',
      last: 2,
      read: 1,
      unread: 1,
    })
    expect(news).toMatchObject({ kind: 'changed', item: { id: 'a', type: 'direct', unread: 1, preview: null } })
    expect(readInboxUpdate({ type: 'removed', conversation: 'a' })).toEqual({ kind: 'removed', id: 'a' })
    expect(readInboxUpdate({ type: 'notification', text: 'hello' })).toBeUndefined()
    expect(readInboxUpdate(null)).toBeUndefined()
  })
})

describe('a failure', () => {
  test('knows how long to wait, from the field or from the sentence', () => {
    expect(wireFailure({ code: 111, message: 'x', data: { retryAfterMs: 700 } }).retryAfterMs).toBe(700)
    expect(refusal(111, 'too many requests: try again in 1200 ms').retryAfterMs).toBe(1200)
    expect(refusal(111, 'too many requests: try again in 3 s').retryAfterMs).toBe(3000)
    expect(httpFailure(429, {}, '2').retryAfterMs).toBe(2000)
    expect(httpFailure(429, { retryAfterMs: 1500 }, '2').retryAfterMs).toBe(1500)
  })

  test('is of the same kind by wire and by HTTP', () => {
    for (const code of [400, 403, 404, 409, 413]) expect(refusal(code).kind).toBe(httpFailure(code, {}, null).kind)
    expect(wireFailure(new TypeError('boom')).kind).toBe('unreachable')
    expect(httpFailure(502, undefined, null).temporary).toBe(true)
  })
})
