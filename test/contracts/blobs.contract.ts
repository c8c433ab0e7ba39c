import { describe, expect, it } from 'vitest'
import { keysPerPage, type BlobStore } from '../../src/uploads/blob-store.ts'

const type = 'image/png'
/** The smallest part that is not the last. */
const partBytes = 5 * 1024 * 1024

/** What every store of blobs promises. Keys begin with `prefix`, which no other suite uses. */
export function blobContract(name: string, open: () => BlobStore, prefix: string): void {
  const key = (own: string) => `${prefix}/${own}`
  const put = async (own: string, text: string) => {
    const store = open()
    const body = Uint8Array.from(new TextEncoder().encode(text))
    const id = await store.begin(key(own), type)
    const etag = await store.putPart(key(own), id, 1, body, body.byteLength)
    await store.complete(key(own), id, [{ part: 1, etag }])
  }
  const read = async (own: string, range?: { readonly offset: number; readonly length: number }) => {
    const found = await open().get(key(own), range)
    return found === undefined ? undefined : { ...found, text: await new Response(found.body).text() }
  }

  describe(name, () => {
    it('gives back the bytes that were put, with their size and type', async () => {
      await put('whole', 'hello blobs')
      const found = await read('whole')
      expect(found).toMatchObject({ text: 'hello blobs', size: 11, type })
      expect(found?.etag).toMatch(/^".+"$/)
      expect(await open().head(key('whole'))).toEqual({ size: 11, type, etag: found?.etag })
    })

    it('gives a part of a blob and the size of the whole', async () => {
      await put('ranged', 'hello blobs')
      expect(await read('ranged', { offset: 6, length: 3 })).toMatchObject({ text: 'blo', size: 11 })
      expect(await read('ranged', { offset: 6, length: 100 })).toMatchObject({ text: 'blobs', size: 11 })
    })

    it('knows nothing of a key that was never put', async () => {
      expect(await open().get(key('never'))).toBeUndefined()
      expect(await open().head(key('never'))).toBeUndefined()
    })

    it('replaces a blob that is put again', async () => {
      await put('again', 'first')
      await put('again', 'second')
      expect((await read('again'))?.text).toBe('second')
    })

    it('makes a blob of parts that came in any order, one of them twice', async () => {
      const store = open()
      const id = await store.begin(key('parts'), type)
      const first = new Uint8Array(partBytes).fill(1)
      const last = new Uint8Array([2, 2, 2])
      const lastEtag = await store.putPart(key('parts'), id, 2, last, last.byteLength)
      await store.putPart(key('parts'), id, 1, new Uint8Array(partBytes).fill(9), partBytes)
      const firstEtag = await store.putPart(key('parts'), id, 1, first, partBytes)
      await store.complete(key('parts'), id, [
        { part: 1, etag: firstEtag },
        { part: 2, etag: lastEtag },
      ])
      expect(await store.head(key('parts'))).toMatchObject({ size: partBytes + 3, type })
      const end = await store.get(key('parts'), { offset: partBytes - 1, length: 4 })
      expect([...new Uint8Array(await new Response(end?.body).arrayBuffer())]).toEqual([1, 2, 2, 2])
    })

    it('changes no blob that is complete by a part that comes late', async () => {
      const store = open()
      const id = await store.begin(key('late'), type)
      const etag = await store.putPart(key('late'), id, 1, new Uint8Array([1]), 1)
      await store.complete(key('late'), id, [{ part: 1, etag }])
      await expect(store.putPart(key('late'), id, 1, new Uint8Array([2]), 1)).rejects.toThrow()
      expect((await read('late'))?.text).toBe('\u0001')
    })

    it('fails to make a blob of parts that were let go of, and leaves none', async () => {
      const store = open()
      const id = await store.begin(key('aborted'), type)
      const body = new Uint8Array([1])
      const etag = await store.putPart(key('aborted'), id, 1, body, 1)
      await store.abort(key('aborted'), id)
      await store.abort(key('aborted'), id)
      await expect(store.complete(key('aborted'), id, [{ part: 1, etag }])).rejects.toThrow()
      expect(await store.head(key('aborted'))).toBeUndefined()
    })

    it('deletes blobs, also those that are gone already', async () => {
      await put('gone', 'x')
      await open().delete([key('gone'), key('never-there')])
      await open().delete([key('gone')])
      await open().delete([])
      expect(await open().head(key('gone'))).toBeUndefined()
    })

    it('lists every key of a prefix once, page by page, and no key of another', async () => {
      const count = keysPerPage + 3
      for (let n = 0; n < count; n++) await put(`list/${String(n).padStart(3, '0')}`, 'x')
      await put('listed-beside', 'x')
      const keys: string[] = []
      let cursor: string | undefined
      do {
        const page = await open().list(key('list/'), cursor)
        keys.push(...page.keys)
        cursor = page.next
      } while (cursor !== undefined)
      expect(keys).toEqual(Array.from({ length: count }, (_, n) => key(`list/${String(n).padStart(3, '0')}`)))
      expect(await open().list(`${prefix}-none/`)).toEqual({ keys: [], next: undefined })
    })
  })
}
