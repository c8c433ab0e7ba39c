import { readPosition } from '../../src/tenants/replicas.ts'
import type { Settings } from '../shared/settings.ts'

/** A position of a shard's log, and the placement's epoch of the write that it was told with. */
interface Written {
  readonly placementEpoch: number
  readonly position: string
}

/**
 * The position of the shard's log from which on a replica shows all that is read from there: the entries below the log's floor, with
 * the texts that were deleted from them removed. That changes only when the floor moves or texts are deleted, so that it is
 * stored then, and costs no row otherwise.
 */
export class WrittenPosition {
  readonly #settings: Settings
  /** Of the last write; undefined when the shard told none, or since the actor has not written yet. */
  #newest: Written | undefined

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** A write was confirmed. Its position is behind all earlier ones of the same placement. */
  note(placementEpoch: number, position: string | undefined): void {
    this.#newest = position === undefined ? undefined : { placementEpoch, position }
  }

  /**
   * The floor or the revision of old pages may have changed, or a position may be known now. What is stored for another floor or
   * revision, or by a version that does not store any, is not used.
   */
  keep(floor: number, revision: number): void {
    const newest = this.#newest
    if (floor <= 1 || newest === undefined) return
    if (this.at(floor, revision)?.placementEpoch === newest.placementEpoch) return
    this.#settings.set('writtenPosition', `${floor} ${revision} ${newest.placementEpoch} ${newest.position}`)
  }

  /** The position for this floor and revision; undefined when it is not known. */
  at(floor: number, revision: number): Written | undefined {
    const [, storedFloor, storedRevision, placementEpoch, position = ''] =
      /^(\d+) (\d+) (\d+) (.+)$/.exec(this.#settings.get('writtenPosition') ?? '') ?? []
    if (Number(storedFloor) !== floor || Number(storedRevision) !== revision) return undefined
    return readPosition(position) === undefined ? undefined : { placementEpoch: Number(placementEpoch), position }
  }
}
