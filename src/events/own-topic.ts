/** The topic with Parley's own events of a tenant. No topic of the API can have this name. */
export const ownTopic = '$parley'

/** Parley's own events that are about webhooks. */
export const ownEventTypes = { ping: 'webhook.ping', disabled: 'webhook.disabled' } as const
