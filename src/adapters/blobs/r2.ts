import { keysPerPage, type BlobBody, type BlobInfo, type BlobRange, type BlobStore } from '../../uploads/blob-store.ts'

/** An R2 bucket as a store of blobs, on Cloudflare and Miniflare. */
export function r2Store(bucket: R2Bucket): BlobStore {
  return {
    begin: async (key, type) =>
      (await bucket.createMultipartUpload(key, { httpMetadata: { contentType: type } })).uploadId,
    putPart: async (key, id, part, body: BlobBody) =>
      (await bucket.resumeMultipartUpload(key, id).uploadPart(part, body)).etag,
    complete: async (key, id, parts) => {
      const given = parts.map(({ part, etag }) => ({ partNumber: part, etag }))
      await bucket.resumeMultipartUpload(key, id).complete(given)
    },
    abort: async (key, id) => {
      // What is aborted or completed already is not there.
      await bucket
        .resumeMultipartUpload(key, id)
        .abort()
        .catch(() => undefined)
    },
    get: async (key, range?: BlobRange) => {
      const found = await bucket.get(key, range === undefined ? {} : { range: { ...range } })
      return found === null ? undefined : { ...infoOf(found), body: found.body }
    },
    head: async (key) => {
      const found = await bucket.head(key)
      return found === null ? undefined : infoOf(found)
    },
    delete: async (keys) => {
      if (keys.length > 0) await bucket.delete([...keys])
    },
    list: async (prefix, cursor) => {
      const page = await bucket.list({ prefix, limit: keysPerPage, ...(cursor === undefined ? {} : { cursor }) })
      return { keys: page.objects.map(({ key }) => key), next: page.truncated ? page.cursor : undefined }
    },
  }
}

const infoOf = ({ size, httpEtag, httpMetadata }: R2Object): BlobInfo => ({
  size,
  etag: httpEtag,
  type: httpMetadata?.contentType ?? 'application/octet-stream',
})
