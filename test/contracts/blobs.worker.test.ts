import { env } from 'cloudflare:test'
import { openBlobs } from '../../src/adapters/blobs/open.ts'
import { blobContract } from './blobs.contract.ts'

blobContract(
  'The R2 bucket of Miniflare',
  () => {
    const store = openBlobs(env)
    if (store === undefined) throw new Error('BLOBS is not bound')
    return store
  },
  'contract',
)
