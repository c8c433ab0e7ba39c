import { openBlobs } from '../../src/adapters/blobs/open.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { blobKey } from '../../src/protocol/blob-keys.ts'
import { ownName } from '../address.ts'
import type { UploadTable } from './upload-table.ts'

/** Files whose bytes one run deletes. */
const filesPerRun = 50

/** Deletes the bytes of files that were let go of, and those that no message has named in time. Runs by the alarm. */
export class UploadSweeper {
  readonly #env: Env
  readonly #table: UploadTable
  readonly #name: string

  /** `name` is that of the actor. */
  constructor(env: Env, table: UploadTable, name: string) {
    this.#env = env
    this.#table = table
    this.#name = name
  }

  isPending(): boolean {
    return this.#table.nextDue !== null
  }

  dueAt(): number {
    return this.#table.nextDue ?? 0
  }

  async run(): Promise<void> {
    const due = this.#table.takeDue(systemClock.now(), filesPerRun)
    if (due.length === 0) return
    const store = openBlobs(this.#env)
    const { tenant, name } = ownName(this.#name)
    const keyOf = (id: string) => blobKey(tenant, name, id)
    // Where no store is configured any more there is nothing to delete that could be reached.
    if (store !== undefined) {
      for (const { id, multipart } of due) if (multipart !== null) await store.abort(keyOf(id), multipart)
      await store.delete(due.map(({ id }) => keyOf(id)))
    }
    this.#table.forget(due.map(({ id }) => id))
  }
}
