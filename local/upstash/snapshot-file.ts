import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Engine } from './engine/engine.ts'
import { setAside } from '../set-aside.ts'
import { DamagedSnapshot, restoreSnapshot, writeSnapshot } from './snapshot.ts'

const SAVE_EVERY_MS = 1000

/** Keeps an engine's keys in a file: read at start, written each second if something changed, and at the end. */
export class SnapshotFile {
  readonly #engine: Engine
  readonly #path: string
  readonly #timer: NodeJS.Timeout
  #savedChanges: number
  #saving: Promise<void> = Promise.resolve()

  private constructor(engine: Engine, path: string) {
    this.#engine = engine
    this.#path = path
    this.#savedChanges = engine.changes
    this.#timer = setInterval(() => this.#saveReporting(), SAVE_EVERY_MS)
    this.#timer.unref()
  }

  /** Restores the file if there is one, then keeps it up to date. A cache may be lost: a damaged file is set aside. */
  static async open(engine: Engine, path: string): Promise<SnapshotFile> {
    await mkdir(dirname(path), { recursive: true })
    try {
      await restoreSnapshot(engine.db, path)
    } catch (error) {
      if (!(error instanceof DamagedSnapshot)) throw error
      console.error(`upstash: ${error.message}; starting empty, the file is kept as ${setAside(path)}`)
    }
    return new SnapshotFile(engine, path)
  }

  /** Saves what is unsaved and stops watching. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#save()
  }

  /** One save at a time, each complete before its name: a crash leaves the old file or the new, never half of one. */
  #save(): Promise<void> {
    this.#saving = this.#saving
      .catch(() => {})
      .then(async () => {
        const { changes } = this.#engine
        if (changes === this.#savedChanges) return
        const next = `${this.#path}.next`
        await writeFile(next, writeSnapshot(this.#engine.db))
        await rename(next, this.#path)
        this.#savedChanges = changes
      })
    return this.#saving
  }

  #saveReporting(): void {
    this.#save().catch((error: unknown) => console.error(`upstash: could not save ${this.#path}:`, error))
  }
}
