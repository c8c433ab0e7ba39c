import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readEntry } from '../../sdk/entries.ts'
import { growingLines, linesOf, type MessageLine } from '../../sdk/lines.ts'
import { grown, listed, withoutArrived, type Growing } from '../../sdk/growing.ts'
import { fields } from '../../sdk/parse.ts'
import { emptyTimeline, place } from '../../sdk/timeline.ts'
import { growsForMs, rollUpMs, silenceMs, storeMs } from '../../src/conversations/streaming.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { owner: 'owner', alice: 'member', bob: 'member' } as const
const clientId = 'answer'

/** A conversation in which an agent writes. */
function story(type: 'group' | 'direct' = 'group') {
  const conversation = new TestConversation({ ...people, agent: 'member' }, type)
  const as = (user: string, name: string, input: object = {}) =>
    conversation.run(`message.${name}`, { user }, { clientId, ...input })
  const agent = (name: string, input: object = {}) => as('agent', name, input)
  const append = (offset: number, text: string) => agent('append', { offset, text })
  const published = () =>
    conversation.streamed.splice(0).map((event) => JSON.parse(event.kind === 'pub' ? event.data : '{}'))
  const growing = () => Object(conversation.run('message.streaming', { user: 'bob' }, { from: 0 })).streaming
  return { conversation, as, agent, append, published, growing }
}

describe('a streaming message', () => {
  test('becomes one message of the log like one that was sent whole, and only then', () => {
    const { conversation, agent, append } = story()
    const before = conversation.readStates.of('bob')
    expect(agent('begin', { mentions: { users: ['bob'] }, replyTo: undefined })).toEqual({
      length: 0,
      duplicate: false,
    })
    expect(append(0, 'Lunch')).toEqual({ length: 5 })
    expect(append(5, ' at one?')).toEqual({ length: 13 })
    expect(conversation.log.top()).toBe(0)
    expect(conversation.readStates.of('bob')).toEqual(before)
    expect(agent('complete')).toMatchObject({ seq: 1, duplicate: false })
    const sent = new TestConversation({ ...people, agent: 'member' })
    const content = { clientId, text: 'Lunch at one?', mentions: { users: ['bob'] } }
    sent.result({ kind: 'send', user: 'agent', client: '', content })
    expect(JSON.parse(conversation.log.rows[0]?.data ?? '')).toEqual(JSON.parse(sent.log.rows[0]?.data ?? ''))
    expect(conversation.readStates.of('bob')).toEqual(sent.readStates.of('bob'))
    expect(conversation.streaming.isUsed).toBe(false)
  })

  test('is published at once after a pause, and else in roll-ups of 40 ms, without a row each', () => {
    const { conversation, agent, append, published } = story()
    agent('begin')
    expect(published()).toMatchObject([{ type: 'message.streaming', user: 'agent', clientId, offset: 0, text: '' }])
    const before = conversation.writes
    let offset = 0
    // Fifty parts in a second.
    for (let n = 0; n < 50; n++) {
      append(offset, `part${n} `)
      offset += `part${n} `.length
      conversation.pass(20)
    }
    conversation.pass(storeMs)
    const events = published()
    expect(events.length).toBeLessThanOrEqual(1000 / rollUpMs + 2)
    expect(events.map(({ text }) => text).join('')).toHaveLength(offset)
    expect(conversation.writes - before).toBeLessThanOrEqual(5)
  })

  test('takes each part once: a repeat and an overlap change nothing, a gap is refused with the place from where to send', () => {
    const { agent, append, growing } = story()
    agent('begin')
    append(0, 'one two')
    expect(append(0, 'one two')).toEqual({ length: 7 })
    expect(append(4, 'two three')).toEqual({ length: 13 })
    expect(append(4, 'TWO')).toMatchObject({ ...refused('conflict'), detail: expect.stringContaining('offset 4') })
    expect(append(20, 'x')).toMatchObject({
      ...refused('streamingGap'),
      detail: expect.stringContaining('13 characters'),
    })
    expect(agent('begin')).toEqual({ length: 13, duplicate: true })
    expect(growing()).toMatchObject([{ user: 'agent', clientId, offset: 0, text: 'one two three', length: 13 }])
  })

  test('answers its author the same once it has ended, and takes no more text', () => {
    const { agent, append } = story()
    agent('begin')
    append(0, 'done')
    const first = Object(agent('complete'))
    expect(agent('complete')).toEqual({ ...first, duplicate: true })
    expect(agent('begin')).toEqual({ length: 0, duplicate: true, seq: 1 })
    expect(append(4, 'more')).toMatchObject({ ...refused('streamingEnded'), detail: expect.stringContaining('seq 1') })
    expect(agent('cancel')).toEqual({ seq: 1 })
    expect(agent('complete', { clientId: 'never' })).toMatchObject(refused('notFound'))
    expect(agent('cancel', { clientId: 'never' })).toMatchObject(refused('notFound'))
  })

  test('that is cancelled keeps its text and is marked, and without text leaves nothing', () => {
    const { conversation, as, agent, append, published } = story()
    agent('begin')
    expect(agent('complete')).toMatchObject(refused('invalidPayload'))
    expect(agent('cancel')).toEqual({ seq: null })
    expect(published().at(-1)).toEqual({ type: 'message.streaming', user: 'agent', clientId, ended: true })
    agent('begin')
    append(0, 'half')
    expect(as('bob', 'cancel', { author: 'agent' })).toMatchObject(refused('notAllowed'))
    expect(as('owner', 'cancel', { author: 'agent' })).toEqual({ seq: 1 })
    expect(JSON.parse(conversation.log.rows[0]?.data ?? '')).toMatchObject({
      text: 'half',
      user: 'agent',
      ended: 'cancelled',
    })
    const direct = story('direct')
    direct.agent('begin')
    direct.append(0, 'half')
    expect(direct.as('bob', 'cancel', { author: 'agent' })).toEqual({ seq: 1 })
  })

  test('of a silent author is interrupted with the text that it has, and dropped where the author may not write any more', () => {
    const { conversation, agent, append } = story()
    agent('begin')
    append(0, 'half')
    conversation.pass(storeMs)
    conversation.crash()
    const due = conversation.streaming.endsAt() ?? 0
    expect(conversation.streaming.overdue(due - 1)).toEqual([])
    expect(conversation.streaming.overdue(due)).toMatchObject([{ clientId }])
    expect(due - conversation.now).toBeLessThanOrEqual(silenceMs)
    const interrupt = () => conversation.run('message.interrupt', { user: 'agent', server: true }, { clientId })
    expect(interrupt()).toEqual({ seq: 1 })
    expect(interrupt()).toEqual({ seq: null })
    expect(JSON.parse(conversation.log.rows[0]?.data ?? '')).toMatchObject({ text: 'half', ended: 'interrupted' })
    agent('begin', { clientId: 'second' })
    agent('append', { clientId: 'second', offset: 0, text: 'half' })
    conversation.members.remove('agent')
    expect(conversation.run('message.interrupt', { user: 'agent', server: true }, { clientId: 'second' })).toEqual({
      seq: null,
    })
    expect(conversation.log.top()).toBe(1)
  })

  test('goes on through a pause in which its author appends nothing but says so, for an hour at most', () => {
    const { conversation, agent, append } = story()
    agent('begin')
    for (let n = 0; n < 4; n++) {
      conversation.pass(silenceMs - 1)
      append(0, '')
      // What is stored says it, too.
      conversation.crash()
      expect(conversation.streaming.overdue(conversation.now)).toEqual([])
    }
    expect(conversation.streaming.endsAt()).toBe(conversation.now + silenceMs)
    while (conversation.now < growsForMs + 1000) {
      conversation.pass(silenceMs - 1)
      append(0, '')
    }
    expect(conversation.streaming.overdue(conversation.now)).toHaveLength(1)
  })

  test('is refused beyond the numbers of the author and the conversation, and beyond the size of a message', () => {
    const { conversation, agent, append } = story()
    for (let n = 0; n < sizes.ownStreamingMessages; n++) agent('begin', { clientId: `c${n}` })
    expect(agent('begin')).toMatchObject({ ...refused('tooManyStreaming'), detail: expect.stringContaining('end one') })
    for (let n = sizes.ownStreamingMessages; n < sizes.streamingMessages; n++) {
      conversation.members.put({ user: `u${n}`, role: 'member', joinedAt: 1, read: 0, joined: 0 })
      expect(conversation.run('message.begin', { user: `u${n}` }, { clientId })).toMatchObject({ length: 0 })
    }
    expect(conversation.run('message.begin', { user: 'bob' }, { clientId })).toMatchObject(refused('tooManyStreaming'))
    agent('cancel', { clientId: 'c0' })
    agent('begin')
    append(0, 'x'.repeat(sizes.textBytes))
    expect(append(sizes.textBytes, 'x')).toMatchObject(refused('tooLarge'))
    expect(agent('complete')).toMatchObject({ seq: 1 })
  })

  test('is written by members only, and asks for slow mode at its beginning', () => {
    const { conversation, as, agent, append } = story()
    expect(as('stranger', 'begin')).toMatchObject(refused('notFound'))
    expect(conversation.run('message.streaming', { user: 'stranger' }, { from: 0 })).toMatchObject(refused('notFound'))
    conversation.conversation = { ...conversation.conversation, slowModeSeconds: 60 }
    agent('begin')
    append(0, 'text')
    conversation.say('agent', 'meanwhile')
    expect(agent('complete')).toMatchObject({ seq: 2 })
    expect(agent('begin', { clientId: 'next' })).toMatchObject(refused('slowMode'))
  })

  test('drops marks of direction without an end once the whole text is known', () => {
    const { conversation, agent, append } = story()
    agent('begin')
    append(0, 'a\u2066b')
    append(3, 'c\u2069d\u2066e')
    agent('complete')
    expect(JSON.parse(conversation.log.rows[0]?.data ?? '').text).toBe('a\u2066bc\u2069de')
  })
})

/** A client as the SDK's: it hears some of the events, and the whole log. */
class Reader {
  growing: Growing = new Map()
  timeline = emptyTimeline('bob')
  #heard = 0
  /** Set while it has to ask. */
  isMissing = false

  hear(conversation: TestConversation, event: string): void {
    // In a gateway the entries of an update come before its events.
    this.follow(conversation)
    const next = grown(this.growing, this.timeline, fields(JSON.parse(event)))
    if (next === undefined) this.isMissing = true
    else this.growing = next
  }

  follow({ log }: TestConversation): void {
    const arrivals = log.rows.slice(this.#heard).map(({ seq, data }) => ({ seq, entry: readEntry(JSON.parse(data)) }))
    this.#heard = log.rows.length
    this.timeline = place(this.timeline, arrivals)
    this.growing = withoutArrived(this.growing, arrivals)
  }

  ask(conversation: TestConversation): void {
    this.growing = listed(this.timeline, conversation.run('message.streaming', { user: 'bob' }, { from: 0 }))
    this.isMissing = false
  }

  get lines() {
    return [...linesOf(this.timeline), ...growingLines('bob', this.growing)]
      .filter((line): line is MessageLine => line.kind === 'message')
      .map(({ user, clientId: id, text, state }) => ({ user, id, text, state }))
  }
}

/** An author that keeps what it wrote, as the SDK's: it goes on from where the conversation says. */
class Author {
  readonly id: string
  text = ''
  #sent = 0
  isOver = false

  constructor(id: string) {
    this.id = id
  }

  /** Sends what is written; with `isLost` the answer does not come, so that the same is sent again later. */
  send(conversation: TestConversation, isLost: boolean): void {
    const input = { clientId: this.id, offset: this.#sent, text: this.text.slice(this.#sent) }
    const answer = Object(conversation.run('message.append', { user: 'agent' }, input))
    if (isLost) return
    if (answer.kind !== 'refused') this.#sent = answer.length
    else this.#sent = Object(conversation.run('message.begin', { user: 'agent' }, { clientId: this.id })).length ?? 0
  }
}

const steps = fc.array(fc.tuple(fc.nat(9), fc.nat(1), fc.integer({ min: 1, max: 300 })), { maxLength: 80 })

test('whatever is lost, repeated and crashes, clients show at the end what the log has, and what an author completes is whole', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const { conversation } = story()
      const authors: Author[] = []
      const readers = [new Reader(), new Reader()]
      const published = () =>
        conversation.streamed.splice(0).flatMap((event) => (event.kind === 'pub' ? event.data : []))
      for (const [what, which, much] of given) {
        const open = authors.filter(({ isOver }) => !isOver)
        const author = open[which % Math.max(1, open.length)]
        if (what === 0 && open.length < 2) {
          const begun = new Author(`m${authors.length}`)
          conversation.run('message.begin', { user: 'agent' }, { clientId: begun.id })
          authors.push(begun)
        } else if (what < 5 && author !== undefined) {
          author.text += `${'x'.repeat(much % 7)}${much} `
          author.send(conversation, much % 4 === 0)
        } else if (what === 5) conversation.crash()
        else if (what === 6 && author !== undefined && author.text !== '') {
          for (let n = 0; n < 3; n++) author.send(conversation, false)
          conversation.run('message.complete', { user: 'agent' }, { clientId: author.id })
          author.isOver = true
        } else if (what === 7) conversation.say('bob', 'hm')
        else conversation.pass(much)
        // One client loses half of the events, the other only some.
        for (const event of published())
          readers.forEach((reader, n) => (much % (n + 2) === 0 ? undefined : reader.hear(conversation, event)))
        const fresh = new Reader()
        fresh.follow(conversation)
        fresh.ask(conversation)
        for (const reader of readers) {
          if (!reader.isMissing) continue
          reader.ask(conversation)
          reader.follow(conversation)
          expect(reader.lines).toEqual(fresh.lines)
        }
      }
      for (const author of authors.filter(({ isOver }) => !isOver))
        conversation.run('message.interrupt', { user: 'agent', server: true }, { clientId: author.id })
      const last = published()
      const whole = new Reader()
      whole.follow(conversation)
      for (const reader of readers) {
        for (const event of last) reader.hear(conversation, event)
        reader.follow(conversation)
        expect(reader.lines).toEqual(whole.lines)
      }
      const texts = new Map(conversation.log.rows.map(({ data }) => [JSON.parse(data).clientId, JSON.parse(data).text]))
      for (const { id, text, isOver } of authors) {
        if (isOver) expect(texts.get(id)).toBe(text)
        else if (texts.has(id)) expect(text.startsWith(texts.get(id))).toBe(true)
      }
      conversation.close()
    }),
    { seed: 18, numRuns: 200 },
  )
})
