import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, type ReadStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Parts that no object was made of are let go of after this time, as R2 does. */
const partsKeptMs = 7 * 24 * 3_600_000
/** A name of no object: keys have no such letter. */
const metaSuffix = '~meta'

interface Meta {
  readonly type: string
  readonly etag: string
}

interface StoredObject extends Meta {
  readonly size: number
  read(first: number, last: number): ReadStream
}

/** Objects as files of a folder. A file gets its name when it is whole and on disk. */
export class BlobFolder {
  readonly #objects: string
  readonly #parts: string
  readonly #temporary: string

  private constructor(root: string) {
    this.#objects = join(root, 'objects')
    this.#parts = join(root, 'parts')
    this.#temporary = join(root, 'temporary')
  }

  static async open(root: string, now: number): Promise<BlobFolder> {
    const folder = new BlobFolder(root)
    await rm(folder.#temporary, { recursive: true, force: true })
    for (const path of [folder.#objects, folder.#parts, folder.#temporary]) await mkdir(path, { recursive: true })
    for (const id of await readdir(folder.#parts)) {
      const { mtimeMs } = await stat(join(folder.#parts, id))
      if (mtimeMs < now - partsKeptMs) await rm(join(folder.#parts, id), { recursive: true, force: true })
    }
    return folder
  }

  async begin(key: string, type: string): Promise<string> {
    const id = randomUUID()
    await mkdir(join(this.#parts, id))
    await writeFile(join(this.#parts, id, 'meta'), JSON.stringify({ key, type }))
    return id
  }

  /** Undefined when the parts were put together or let go of. */
  async putPart(key: string, id: string, part: number, body: Readable): Promise<string | undefined> {
    if ((await this.#begun(key, id)) === undefined) {
      body.resume()
      return undefined
    }
    const { file, etag } = await this.#write(body)
    await this.#name(file, join(this.#parts, id, String(part)), { type: '', etag })
    return etag
  }

  /** Undefined when a part is missing, or is another one. */
  async complete(
    key: string,
    id: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
  ): Promise<string | undefined> {
    const begun = await this.#begun(key, id)
    if (begun === undefined) return undefined
    const files: string[] = []
    for (const { part, etag } of parts) {
      const file = join(this.#parts, id, String(part))
      if ((await readMeta(file))?.etag !== etag) return undefined
      files.push(file)
    }
    const { file, etag } = await this.#write(Readable.from(chunksOf(files), { objectMode: false }))
    await this.#name(file, join(this.#objects, key), {
      type: begun.type,
      etag: `${etag.slice(0, -1)}-${parts.length}"`,
    })
    await this.abort(id)
    return etag
  }

  async abort(id: string): Promise<void> {
    await rm(join(this.#parts, id), { recursive: true, force: true })
  }

  async find(key: string): Promise<StoredObject | undefined> {
    const file = join(this.#objects, key)
    const meta = await readMeta(file)
    if (meta === undefined) return undefined
    const { size } = await stat(file)
    return { ...meta, size, read: (start, end) => createReadStream(file, { start, end }) }
  }

  async delete(key: string): Promise<void> {
    const file = join(this.#objects, key)
    await rm(`${file}${metaSuffix}`, { force: true })
    await rm(file, { force: true })
  }

  /** Keys that begin with `prefix` and follow `after`, in their order. */
  async list(prefix: string, after: string, limit: number): Promise<string[]> {
    const from = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    const entries = await readdir(join(this.#objects, from), { recursive: true, withFileTypes: true }).catch(() => [])
    const rootLength = this.#objects.length + 1
    return entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith(metaSuffix))
      .map((entry) => join(entry.parentPath, entry.name).slice(rootLength))
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted()
      .slice(0, limit)
  }

  async #begun(key: string, id: string): Promise<Meta | undefined> {
    if (!/^[\w-]+$/.test(id)) return undefined
    const text = await readFile(join(this.#parts, id, 'meta'), 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const begun: Meta & { readonly key: string } = JSON.parse(text)
    return begun.key === key ? begun : undefined
  }

  async #write(body: Readable): Promise<{ readonly file: string; readonly etag: string }> {
    const file = join(this.#temporary, randomUUID())
    const hash = createHash('md5')
    try {
      await pipeline(
        body,
        async function* (pieces: AsyncIterable<Buffer>) {
          for await (const piece of pieces) {
            hash.update(piece)
            yield piece
          }
        },
        createWriteStream(file),
      )
    } catch (thrown) {
      await rm(file, { force: true })
      throw thrown
    }
    const handle = await open(file)
    await handle.sync()
    await handle.close()
    return { file, etag: `"${hash.digest('hex')}"` }
  }

  async #name(file: string, name: string, meta: Meta): Promise<void> {
    await mkdir(dirname(name), { recursive: true })
    await rename(file, name)
    await writeFile(`${name}${metaSuffix}`, JSON.stringify(meta))
  }
}

async function* chunksOf(files: readonly string[]): AsyncGenerator<Buffer> {
  for (const file of files) yield* createReadStream(file)
}

async function readMeta(file: string): Promise<Meta | undefined> {
  const text = await readFile(`${file}${metaSuffix}`, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const meta: Meta = JSON.parse(text)
  return meta
}
