import { describe, expect, test } from 'vitest'
import { effectiveSwitches, unknownNames, withSwitches } from '../../src/notifications/preferences/effective.ts'
import { explain } from '../../src/protocol/explain.ts'
import { notificationSettings, preferences } from '../../src/protocol/preferences-api.ts'

const problem = (given: unknown, schema: typeof preferences | typeof notificationSettings = preferences) => {
  const read = schema.safeParse(given)
  return read.success ? undefined : explain(read.error)
}

describe('preferences', () => {
  test('are refused with field and rule where they are wrong', () => {
    const quiet = (range: object, zone = 'Europe/Berlin') => ({ quietHours: { ranges: [range], zone } })
    expect(problem(quiet({ start: '22:00', end: '07:00' }))).toBeUndefined()
    expect(problem(quiet({ start: '24:00', end: '07:00' }))).toContain('quietHours.ranges.0.start: a time of day')
    expect(problem(quiet({ start: '7:00', end: '08:00' }))).toContain('quietHours.ranges.0.start: a time of day')
    expect(problem(quiet({ start: '07:00', end: '07:00' }))).toContain('start and end: must differ')
    expect(problem(quiet({ start: '22:00', end: '07:00', weekdays: [0] }))).toContain('weekdays')
    expect(problem(quiet({ start: '22:00', end: '07:00', weekdays: [1, 1] }))).toContain('each weekday once')
    expect(problem(quiet({ start: '22:00', end: '07:00' }, 'Berlin'))).toContain(
      'quietHours.zone: not an IANA time zone',
    )
    expect(problem({ channels: { pigeon: true } })).toMatch(/channels.*"pigeon"/)
    expect(problem({ channels: { email: 'yes' } })).toContain('channels.email')
    expect(problem({ muteUntil: -1 })).toContain('muteUntil')
    expect(problem({ mutedConversations: { 'not an id': 1 } })).toContain('not a conversation id')
    expect(problem({ quiethours: {} })).toContain('quiethours')
    const many = Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`c${n}`, {}]))
    expect(problem({ categories: many })).toContain('at most 200 entries')
  })

  test('name only categories and workflows that there are, or that were stored before', () => {
    const has = { categories: ['news'], workflows: ['invite'] }
    const given = { categories: { news: {}, gone: {}, typo: {} }, workflows: { invite: {}, other: {} } }
    expect(unknownNames(given, { categories: { gone: {} } }, has)).toEqual(['categories.typo', 'workflows.other'])
  })
})

describe('the effect of preferences', () => {
  const news = { name: 'news', isMandatory: false, defaults: { sms: false } }

  test('is the user’s own switch before the tenant’s, and all channels where a channel is not named', () => {
    const tenant = { channels: { email: false } }
    expect(effectiveSwitches({}, tenant, news)).toMatchObject({ email: false, sms: false, push: true })
    expect(effectiveSwitches({ categories: { news: { all: false, email: true } } }, tenant, news)).toMatchObject({
      email: true,
      push: false,
      'in-app': false,
    })
  })

  test('leaves out a mute, which passes, and never switches a mandatory category off', () => {
    expect(effectiveSwitches({ muteUntil: 1e15 }, {}).email).toBe(true)
    const own = { categories: { news: { all: false } } }
    expect(effectiveSwitches(own, {}, { ...news, isMandatory: true }).email).toBe(true)
  })

  test('changes with a switch, and other switches stay', () => {
    const before = { categories: { news: { email: true, push: false } }, muteUntil: 5 }
    const off = withSwitches(before, [{ of: 'categories', name: 'news', channel: 'email', isOn: false }])
    expect(off).toEqual({ categories: { news: { email: false, push: false } }, muteUntil: 5 })
    expect(effectiveSwitches(off, {}, news)).toMatchObject({ email: false, 'in-app': true })
    const all = withSwitches({}, [{ of: 'channels', name: '', channel: 'email', isOn: false }])
    expect(effectiveSwitches(all, {}, news)).toMatchObject({ email: false, push: true })
    const proto = withSwitches({}, [{ of: 'workflows', name: 'constructor', channel: 'sms', isOn: false }])
    expect(proto).toEqual({ workflows: { constructor: { sms: false } } })
  })
})

describe('settings of a tenant', () => {
  test('have defaults, and are refused with field and rule where they are wrong', () => {
    expect(notificationSettings.parse({})).toEqual({
      zone: 'UTC',
      preferences: {},
      appearance: {},
      tracking: { opens: false, clicks: false },
      keepSeconds: 2_592_000,
    })
    const wrong = (given: object) => problem(given, notificationSettings)
    expect(wrong({ appearance: { accent: 'red' } })).toContain('appearance.accent: a colour as #rrggbb')
    expect(wrong({ appearance: { logo: 'http://example.com/x.png' } })).toContain('appearance.logo: an https address')
    expect(wrong({ zone: 'Mars/Olympus' })).toContain('zone: not an IANA time zone')
    expect(wrong({ preferences: { muteUntil: 1 } })).toContain('muteUntil')
  })
})
