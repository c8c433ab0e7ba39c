import type { Publication } from '../protocol/replies.ts'
import type { PublicationVersion } from '../protocol/stream.ts'

/** The offset and epoch of a publication made under an idempotency key. */
export interface KnownPlace {
  readonly offset: number
  readonly epoch: string
}

/** The stored publications of a topic. Offsets are dense from 1 and never used twice in one epoch. */
export interface TopicLog {
  top(): number
  /** The lowest offset still kept by size and age; above the top when nothing is. */
  floor(now: number): number
  append(publication: Omit<Publication, 'offset'>, now: number): Publication
  /** At most `limit` kept ones with `after` < offset ≤ `upTo`, ascending. */
  range(after: number, upTo: number, limit: number): Publication[]
}

/** Publications made under an idempotency key in the last five minutes. */
export interface PublishKeys {
  find(key: string, now: number): KnownPlace | undefined
  note(key: string, place: KnownPlace, now: number): void
}

/** The version of the newest publication that had one. */
export interface LastVersion {
  get(): PublicationVersion | undefined
  set(version: PublicationVersion): void
}

/** Publications whose answer may not have arrived, so that a repeated call publishes nothing twice. */
export interface RecentPlaces {
  find(once: string): KnownPlace | undefined
  note(once: string, place: KnownPlace): void
}
