import { isFields, type Fields } from './parse.ts'

/** What a conversation is beside its name and members. */
export interface Shown {
  readonly topic: string | null
  /** The address of a picture. */
  readonly avatar: string | null
  /** Custom properties of the tenant. */
  readonly properties: Fields | null
  /** Only some roles may write. */
  readonly frozen: boolean
  /** Seconds between two messages of a member; null without slow mode. */
  readonly slowModeSeconds: number | null
}

/** A conversation without any of it. */
export const nothingShown: Shown = { topic: null, avatar: null, properties: null, frozen: false, slowModeSeconds: null }

/** Reads what is given of it: null where something was removed, and nothing of what is not named. */
export function readShown(given: Fields): Partial<Shown> {
  const { topic, avatar, properties, frozen, slowModeSeconds } = given
  return {
    ...(topic === undefined ? {} : { topic: typeof topic === 'string' ? topic : null }),
    ...(avatar === undefined ? {} : { avatar: typeof avatar === 'string' ? avatar : null }),
    ...(properties === undefined ? {} : { properties: isFields(properties) ? properties : null }),
    ...(frozen === undefined ? {} : { frozen: frozen === true }),
    ...(slowModeSeconds === undefined
      ? {}
      : { slowModeSeconds: typeof slowModeSeconds === 'number' ? slowModeSeconds : null }),
  }
}
