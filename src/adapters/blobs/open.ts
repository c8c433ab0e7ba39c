import { loadConfig } from '../../config.ts'
import type { Env } from '../../env.ts'
import type { BlobStore } from '../../uploads/blob-store.ts'
import { r2Store } from './r2.ts'
import { s3Store } from './s3.ts'

/** The store of blobs that is configured: an S3 bucket where one is given, else the R2 bucket that is bound; undefined when neither is. */
export function openBlobs(env: Env): BlobStore | undefined {
  const { blobBucket } = loadConfig(env)
  if (blobBucket !== undefined) return s3Store(blobBucket)
  return env.BLOBS === undefined ? undefined : r2Store(env.BLOBS)
}
