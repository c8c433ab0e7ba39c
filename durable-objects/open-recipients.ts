import type { Env } from '../src/env.ts'
import {
  notificationActors,
  notificationCatalogOf,
  notificationsNumbered,
  notificationsNumberOf,
  recipientActors,
  recipientsNumbered,
  recipientsNumberOf,
} from './address.ts'
import { admitted } from './open-actors.ts'

// Each calls an actor of notifications once there is a place for it, and throws `TooManyActors` as `whenAdmitted` does.

/** The actor with a user's profile, preferences and notices. */
export const callRecipients = <R>(
  env: Env,
  tenant: string,
  user: string,
  call: (recipients: ReturnType<typeof recipientsNumbered>) => R,
): Promise<Awaited<R>> => callRecipientsNumbered(env, tenant, recipientsNumberOf(user), call)

export const callRecipientsNumbered = <R>(
  env: Env,
  tenant: string,
  number: number,
  call: (recipients: ReturnType<typeof recipientsNumbered>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'recipients', tenant, name: String(number), isKnown: true }, () =>
    call(recipientsNumbered(env, tenant, number)),
  )

/** Each of a tenant's actors with users. */
export const callAllRecipients = <R>(
  env: Env,
  tenant: string,
  call: (recipients: ReturnType<typeof recipientsNumbered>, number: number) => R,
): Promise<Awaited<R>[]> =>
  Promise.all(
    Array.from({ length: recipientActors }, (_, number) =>
      callRecipientsNumbered(env, tenant, number, (one) => call(one, number)),
    ),
  )

/** The actor that hands a notification out. */
export const callNotifications = <R>(
  env: Env,
  tenant: string,
  notification: string,
  call: (notifications: ReturnType<typeof notificationsNumbered>) => R,
): Promise<Awaited<R>> => callNotificationsNumbered(env, tenant, notificationsNumberOf(notification), call)

/** Each of a tenant's actors with notifications. */
export const callAllNotifications = <R>(
  env: Env,
  tenant: string,
  call: (notifications: ReturnType<typeof notificationsNumbered>) => R,
): Promise<Awaited<R>[]> =>
  Promise.all(
    Array.from({ length: notificationActors }, (_, number) => callNotificationsNumbered(env, tenant, number, call)),
  )

const callNotificationsNumbered = <R>(
  env: Env,
  tenant: string,
  number: number,
  call: (notifications: ReturnType<typeof notificationsNumbered>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'notifications', tenant, name: String(number), isKnown: true }, () =>
    call(notificationsNumbered(env, tenant, number)),
  )

/** What a tenant defines for its notifications. */
export const callNotificationCatalog = <R>(
  env: Env,
  tenant: string,
  call: (catalog: ReturnType<typeof notificationCatalogOf>) => R,
): Promise<Awaited<R>> =>
  admitted(env, { kind: 'notifications', tenant, name: 'notifications', isKnown: true }, () =>
    call(notificationCatalogOf(env, tenant)),
  )
