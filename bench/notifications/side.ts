/** A system that decides about the recipients of notifications, and forgets none when it is killed. */
export interface Side {
  readonly what: string
  /** Stores the profiles and preferences of the users. */
  readonly prepare: (users: readonly string[]) => Promise<void>
  /** Triggers a notification to the users; resolves when all of them are decided and stored. */
  readonly notify: (notification: string, users: readonly string[], data: unknown) => Promise<void>
  readonly stop: () => Promise<void>
}

/** What all sides decide by. */
export const category = 'comments'
export const throttle = { limit: 5, seconds: 3600 }
export const digestSeconds = 3600
export const quietHours = { start: '22:00', end: '07:00' }

const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Sydney',
  'America/Sao_Paulo',
  'Asia/Tokyo',
]

const numberOf = (user: string): number => Number(user.replaceAll(/\D/g, ''))

export const zoneOf = (user: string): string => zones[numberOf(user) % zones.length] ?? 'UTC'

/** One user in ten does not want this category by e-mail. */
export const preferencesOf = (user: string): Readonly<Record<string, boolean>> => ({
  [category]: numberOf(user) % 10 !== 0,
})
