/** A tenant in use is noted this often, in milliseconds. */
export const noteEveryMs = 3_600_000

/** A queue that the next sweep calls. `turn` tells whether the queue has asked for another sweep since it was listed. */
export interface DueQueue {
  readonly tenant: string
  readonly queue: string
  readonly turn: number
}

/** What a sweep found at a queue. */
export interface SweptQueue extends DueQueue {
  /** When it must be swept next, in milliseconds since the epoch: 0 for every sweep, null for no more. */
  readonly at: number | null
  /** Its figures for /metrics, as JSON text. */
  readonly figures: string
  /** Whether it holds dead jobs. */
  readonly hasDead: boolean
}

/** A gateway that has had connections since it was last found without. */
export interface UsedGateway {
  readonly gateway: string
  readonly turn: number
}

/** A tenant whose messages may be old enough for the archive. */
export interface ArchivableTenant {
  readonly tenant: string
  /** Its first and last use since its archive was last complete, in milliseconds since the epoch. */
  readonly first: number
  readonly last: number
}
