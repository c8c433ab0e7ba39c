import { describe, expect, test } from 'vitest'
import { topicsSchema, TopicTable } from '../../durable-objects/recipients/sql-topics.ts'
import { UserTable, usersSchema } from '../../durable-objects/recipients/sql-users.ts'
import { userText } from '../../src/notifications/users/profile.ts'
import { explain } from '../../src/protocol/explain.ts'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import { maxTargets, patchUser, putTarget, putUser } from '../../src/protocol/users-api.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const open = () => new UserTable(new NodeSql([usersSchema]))
const given = (text: string, schema: typeof putUser | typeof patchUser = putUser) => {
  const read = readGiven(schema, new GivenJson(JSON.parse(text), text))
  if (!read.success) throw new Error(explain(read.error))
  return read.data
}
const problem = (text: string) => {
  const read = readGiven(putUser, new GivenJson(JSON.parse(text), text))
  return read.success ? undefined : explain(read.error)
}

describe('a profile', () => {
  test('gives custom properties back as they were put in', () => {
    const users = open()
    const text = '{"properties":{"id":12345678901234567890,"rate":1.50,"2":"b","1":"a"}}'
    const { stored } = users.put('ada', given(text), 1)
    expect(userText(stored)).toContain('"properties":{"id":12345678901234567890,"rate":1.50,"2":"b","1":"a"}')
  })

  test('keeps what a change does not name, and loses what it names with null', () => {
    const users = open()
    users.put('ada', given('{"name":"Ada","email":"ada@example.com","properties":{"a":1,"b":2}}'), 1)
    const changed = users.patch('ada', given('{"email":null,"properties":{"b":null,"c":3.0}}', patchUser), 2)
    expect(changed).toMatchObject({
      fields: { name: 'Ada' },
      properties: '{"a":1,"c":3.0}',
      createdAt: 1,
      updatedAt: 2,
    })
    expect(users.find('ada')).toEqual(changed)
  })

  test('keeps targets and preferences when it is replaced', () => {
    const users = open()
    users.putTarget('ada', { id: 'phone', channel: 'push', type: 'fcm', address: { token: 't' } }, 1)
    users.putPreferences('ada', { muteUntil: 5 }, 1)
    users.put('ada', given('{"name":"Ada"}'), 2)
    expect(users.recipient('ada')).toMatchObject({
      profile: { name: 'Ada', targets: [{ id: 'phone' }] },
      preferences: { muteUntil: 5 },
    })
  })

  test('of a user that does not exist is not changed', () => {
    expect(open().patch('ada', {}, 1)).toMatchObject({ error: 'notFound' })
  })

  test('refuses a change by which its properties would grow beyond their bound', () => {
    const users = open()
    users.put('ada', given(JSON.stringify({ properties: { a: 'x'.repeat(5000) } })), 1)
    const change = given(JSON.stringify({ properties: { b: 'x'.repeat(5000) } }), patchUser)
    expect(users.patch('ada', change, 2)).toMatchObject({ error: 'tooLarge' })
  })

  test('of an inline recipient is not written again while nothing of it changes', () => {
    const users = open()
    users.merge('ada', { name: 'Ada' }, 1)
    users.merge('ada', { name: 'Ada' }, 2)
    expect(users.find('ada')?.updatedAt).toBe(1)
  })

  test('takes a name in any script', () => {
    for (const name of ['Ada Lovelace', '北川 景子', 'عائشة', 'Нина', 'a < b', '👩‍💻'])
      expect(problem(JSON.stringify({ name }))).toBeUndefined()
  })

  test('is refused with the reason where a field is wrong', () => {
    expect(problem('{"name":"<b>Ada</b>"}')).toContain('name: must not contain HTML')
    expect(problem('{"name":"a\\nb"}')).toContain('one line')
    for (const email of [
      'ada',
      'ada@',
      'a b@example.com',
      'ada@example',
      'ada@example.com\\r\\nBcc: x@y.zz',
      '<a@b.cc>',
    ])
      expect(problem(`{"email":"${email}"}`)).toContain('email: not an e-mail address')
    for (const phone of ['030123456', '+0301234567', '+49 30 1234567', '+49', '+4930123456789012'])
      expect(problem(JSON.stringify({ phone }))).toContain('phone: a number in E.164')
    for (const locale of ['german!', 'e', 'de_DE'])
      expect(problem(JSON.stringify({ locale }))).toContain('locale: not a')
    for (const zone of ['Berlin', 'Europe/Nowhere', '+02:00'])
      expect(problem(JSON.stringify({ zone }))).toContain('zone: not')
    expect(problem('{"avatar":"javascript:alert(1)"}')).toContain('avatar: an https address')
    expect(problem('{"properties":[1]}')).toContain('properties: an object')
    expect(problem(JSON.stringify({ properties: { a: 'x'.repeat(9000) } }))).toContain('properties: at most 8192 bytes')
    expect(problem('{"nick":"x"}')).toContain('nick')
  })

  test('takes addresses, tags and zones as the world has them', () => {
    for (const email of ['a.b+c@example.co.uk', 'пример@почта.рф', "o'brien@example.com", 'x@münchen.de'])
      expect(problem(JSON.stringify({ email }))).toBeUndefined()
    for (const locale of ['de', 'en-GB', 'zh-Hant-TW', 'sr-Latn-RS-u-ca-gregory'])
      expect(problem(JSON.stringify({ locale }))).toBeUndefined()
    for (const zone of ['Europe/Berlin', 'America/Argentina/Buenos_Aires', 'UTC', 'Etc/GMT+5'])
      expect(problem(JSON.stringify({ zone }))).toBeUndefined()
  })
})

describe('targets', () => {
  test('have one place for each id, and a bound', () => {
    const users = open()
    const target = (id: string) => ({ id, channel: 'push' as const, type: 'fcm', address: { token: id } })
    for (let n = 0; n < maxTargets; n++) users.putTarget('ada', target(`t${n}`), 1)
    expect(users.putTarget('ada', target('t3'), 2)).toEqual({ kind: 'put' })
    expect(users.putTarget('ada', target('one more'), 2)).toMatchObject({ error: 'limitExceeded' })
    expect(users.removeTarget('ada', 't3', 3)).toBe(true)
    expect(users.removeTarget('ada', 't3', 3)).toBe(false)
  })

  test('with a subscription that no push service could use are refused', () => {
    const keys = { p256dh: 'B'.repeat(87), auth: 'a'.repeat(22) }
    const put = (address: object) => putTarget.safeParse({ type: 'web-push', address }).success
    expect(put({ endpoint: 'https://push.example.com/x', keys })).toBe(true)
    expect(put({ endpoint: 'http://push.example.com/x', keys })).toBe(false)
    expect(put({ endpoint: 'https://push.example.com/x', keys: { ...keys, auth: 'short' } })).toBe(false)
    expect(putTarget.safeParse({ type: 'pager', address: {} }).success).toBe(false)
  })
})

describe('topics', () => {
  const topics = () => new TopicTable(new NodeSql([topicsSchema]))

  test('count each subscriber once, however often it is added', () => {
    const table = topics()
    expect(table.add(1, ['ada', 'bob', 'ada'])).toBe(2)
    expect(table.add(1, ['bob', 'cy'])).toBe(1)
    expect(table.remove(1, ['bob', 'nobody'])).toBe(1)
    expect([table.count(1), table.subscribers(1, '', 10)]).toEqual([2, ['ada', 'cy']])
    expect(table.subscribers(1, 'ada', 10)).toEqual(['cy'])
  })

  test('that are deleted have no subscribers at once, and lose their rows bit by bit', () => {
    const table = topics()
    const users = Array.from({ length: 25 }, (_, n) => `u${n}`)
    table.add(1, users)
    table.add(2, ['u1'])
    table.delete(1)
    expect([table.count(1), table.subscribers(1, '', 10), table.add(1, ['late'])]).toEqual([0, [], 0])
    expect(table.hasRest).toBe(true)
    expect([table.purge(10), table.purge(10), table.purge(10), table.hasRest]).toEqual([true, true, false, false])
    expect([table.topicsOf('u0'), table.topicsOf('u1')]).toEqual([[], [2]])
  })

  test('lose a user that is deleted', () => {
    const table = topics()
    table.add(1, ['ada', 'bob'])
    table.add(2, ['ada'])
    table.deleteUser('ada')
    expect([table.count(1), table.count(2), table.topicsOf('ada')]).toEqual([1, 0, []])
  })
})
