import { z } from 'zod'
import { definedName } from './feed-api.ts'
import { conversationId, displayName } from './payloads.ts'
import { zone } from './users-api.ts'

const isOn = z.boolean().optional()
const switches = z
  .strictObject({
    'in-app': isOn,
    email: isOn,
    push: isOn,
    sms: isOn,
    chat: isOn,
    webhook: isOn,
    all: isOn.describe('Channels that are not named'),
  })
  .meta({ id: 'ChannelSwitches' })

/** At most so many names in a record. */
const atMost = (count: number) =>
  [(record: object) => Object.keys(record).length <= count, `at most ${count} entries`] as const

const timeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'a time of day from 00:00 to 23:59, such as 22:00')
const weekdays = z
  .array(z.int().min(1).max(7))
  .min(1)
  .max(7)
  .refine((days) => new Set(days).size === days.length, 'each weekday once')
  .describe('ISO weekdays on which the range starts, 1 is Monday; all without it')

const range = z
  .strictObject({ start: timeOfDay, end: timeOfDay, weekdays: weekdays.optional() })
  .refine(({ start, end }) => start !== end, 'start and end: must differ')
  .describe('A range whose end is before its start ends on the next day')
  .meta({ id: 'TimeRange' })

const ranges = z.array(range).min(1).max(21)

const quietHours = z
  .strictObject({
    ranges,
    zone: zone.optional().describe('The zone of the profile, then that of the tenant without it'),
  })
  .meta({ id: 'QuietHours' })

const time = z.int().min(0).describe('Milliseconds since the epoch')
const named = z.record(definedName, switches)

/** Preferences that both a tenant and a user have. */
const layer = {
  channels: switches.optional(),
  categories: named.refine(...atMost(200)).optional(),
  workflows: named.refine(...atMost(200)).optional(),
  quietHours: quietHours.optional(),
  windows: ranges.optional().describe('Deliveries outside the app are made only within these'),
}

/** `PUT /v1/users/{user}/preferences`. */
export const preferences = z
  .strictObject({
    ...layer,
    muteUntil: time.optional().describe('Until then mandatory categories only'),
    mutedConversations: z
      .record(conversationId, time)
      .refine(...atMost(1000))
      .optional()
      .describe('Until when notifications of a conversation are not wanted'),
  })
  .meta({ id: 'Preferences' })

const effective = z.record(z.string(), z.boolean()).describe('By channel: what holds now, without mute and quiet hours')

/** Preferences of a user, with what they come to. */
export const preferencesView = z
  .object({
    preferences,
    zone: z.string().describe('Quiet hours without a zone of their own are in this one'),
    channels: effective,
    categories: z.array(
      z.object({
        name: z.string(),
        label: z.string().nullable(),
        isMandatory: z.boolean().describe('Cannot be switched off'),
        channels: effective,
      }),
    ),
  })
  .meta({ id: 'UserPreferences' })

const colour = z.string().regex(/^#[0-9a-f]{6}$/i, 'a colour as #rrggbb')

/** How the hosted page of preferences looks. */
const appearance = z
  .strictObject({
    name: displayName.max(100).optional().describe('The name of the product'),
    accent: colour.optional(),
    background: colour.optional(),
    text: colour.optional(),
    logo: z
      .url({ protocol: /^https$/, error: 'an https address' })
      .max(2048)
      .optional(),
  })
  .meta({ id: 'Appearance' })

export type Appearance = z.output<typeof appearance>

/** `PUT /v1/notification-settings`: settings that are left out get their defaults. */
export const notificationSettings = z
  .strictObject({
    zone: zone.default('UTC').describe('Of users without one'),
    preferences: z
      .strictObject(layer)
      .default({})
      .describe('Defaults for all users, whose own preferences come before them'),
    appearance: appearance.default({}),
    tracking: z
      .strictObject({
        opens: z.boolean().default(false).describe('Whether an e-mail was opened, by a picture at its end'),
        clicks: z
          .boolean()
          .default(false)
          .describe('Whether a link of an e-mail was followed: links lead by way of this system'),
      })
      .prefault({})
      .describe('What is tracked of e-mails with HTML; nothing by default'),
    keepSeconds: z
      .int()
      .min(3600)
      .max(365 * 86_400)
      .default(30 * 86_400)
      .describe('For how long notifications and items of feeds are kept'),
  })
  .meta({ id: 'NotificationSettings' })

/** `POST /v1/users/{user}/preference-links`. */
export const newPreferenceLinks = z.strictObject({
  category: definedName
    .optional()
    .describe('What unsubscribing switches off; without it the workflow, else all e-mail'),
  workflow: definedName.optional(),
})

export const preferenceLinks = z
  .object({ preferences: z.string(), unsubscribe: z.string(), headers: z.record(z.string(), z.string()) })
  .meta({ id: 'PreferenceLinks' })
