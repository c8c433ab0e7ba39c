import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { setAside } from '../set-aside.ts'
import type { Engine } from './engine/engine.ts'
import type { Keyspace } from './engine/keyspace.ts'

const SAVE_EVERY_MS = 1000

/*
 * The snapshot file: JSON, with byte strings written one character per byte. Earlier versions also stored hashes, lists
 * and sorted sets.
 */
const storedFile = z.object({
  format: z.literal('upstash-stand-in'),
  version: z.literal(1),
  keys: z.array(
    z.object({
      key: z.string(),
      expiresAt: z.number().optional(),
      value: z.union([
        z.object({ type: z.literal('string'), bytes: z.string() }),
        z.object({ type: z.literal('set'), members: z.array(z.string()) }),
        z.object({ type: z.string().refine((type) => type !== 'string' && type !== 'set') }),
      ]),
    }),
  ),
})
type StoredFile = z.infer<typeof storedFile>

/** The keys of an engine in a file: read at start, written every second when something changed, and at the end. */
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
    this.#timer = setInterval(() => this.#saveOrLog(), SAVE_EVERY_MS)
    this.#timer.unref()
  }

  /** Restores the file if it exists. A damaged file is set aside, and the cache starts empty. */
  static async open(engine: Engine, path: string): Promise<SnapshotFile> {
    await mkdir(dirname(path), { recursive: true })
    const text = await readIfExists(path)
    const stored = text === undefined ? undefined : parse(text)
    if (stored !== undefined) restore(engine.db, stored, path)
    else if (text !== undefined)
      console.error(`upstash: ${path} is not a Redis snapshot; starting empty, the file is kept as ${setAside(path)}`)
    return new SnapshotFile(engine, path)
  }

  /** Saves unsaved changes and stops the timer. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#save()
  }

  /** One save at a time. Each is complete before it gets its name, so a crash leaves the old file or the new one. */
  #save(): Promise<void> {
    this.#saving = this.#saving
      .catch(() => {})
      .then(async () => {
        const { changes } = this.#engine
        if (changes === this.#savedChanges) return
        const next = `${this.#path}.next`
        await writeFile(next, JSON.stringify(toStored(this.#engine.db)))
        await rename(next, this.#path)
        this.#savedChanges = changes
      })
    return this.#saving
  }

  #saveOrLog(): void {
    this.#save().catch((error: unknown) => console.error(`upstash: could not save ${this.#path}:`, error))
  }
}

async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function parse(text: string): StoredFile | undefined {
  try {
    return storedFile.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

function restore(db: Keyspace, { keys }: StoredFile, path: string): void {
  let dropped = 0
  for (const { key, value, expiresAt } of keys) {
    if ('bytes' in value) db.put(key, value.bytes, expiresAt)
    else if ('members' in value) db.put(key, new Set(value.members), expiresAt)
    else dropped += 1
  }
  if (dropped > 0) console.error(`upstash: dropped ${dropped} keys of ${path}: only strings and sets are supported`)
}

function toStored(db: Keyspace): StoredFile {
  const keys = db.living().map(([key, { value, expiresAt }]) => ({
    key,
    expiresAt,
    value:
      typeof value === 'string'
        ? { type: 'string' as const, bytes: value }
        : { type: 'set' as const, members: [...value] },
  }))
  return { format: 'upstash-stand-in', version: 1, keys }
}
