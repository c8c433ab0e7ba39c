/** The log of one conversation; a conversation that is created again under its id has another epoch. */
export interface LogOf {
  readonly tenant: string
  readonly conversation: string
  readonly epoch: string
}

/** A page of a hundred entries of a log, with the revision of the log's old pages. */
export interface PageOf {
  readonly page: number
  readonly revision: number
  /** The entries from its first on that Postgres has; a page with fewer is read again. Actors of versions before said nothing of it. */
  readonly entries?: number
  /** No entry of it is older or newer, in milliseconds since the epoch. */
  readonly times?: TimeRange
  /** The placement's epoch that the reader believes; the shard's row of the tenant has it, or the page is `null`. */
  readonly placementEpoch?: number
  /** What a replica must have replayed; undefined: the primary is asked. */
  readonly position?: string
  /** Where the reader is. */
  readonly region?: string
  /** No reader waits for it: while a breaker is open it is not read, and "". */
  readonly isAhead?: boolean
}

/** In milliseconds since the epoch. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

/** Seqs to read, both inclusive. */
export interface SeqRange {
  readonly first: number
  readonly last: number
}

/** Seqs that an actor no longer holds. Actors of versions before gave less. */
export interface ColdRange extends SeqRange {
  /** Grows whenever texts were deleted from Postgres; cached pages of an older one are not used. */
  readonly revision?: number
  /** Where they are; undefined where that must be asked. */
  readonly written?: WrittenAt
  /** The seq up to which Postgres has the log. */
  readonly upTo?: number
  /** No entry of the pages of the range is older or newer. */
  readonly times?: TimeRange
}

/** Where a log was written last. */
export interface WrittenAt {
  readonly shard: string
  /** The placement's epoch, which the shard compares. */
  readonly epoch: number
  /** A position of the shard's log from which on a replica shows all that is read there; undefined where it is not known. */
  readonly position?: string
}
