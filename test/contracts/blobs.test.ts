import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { blobRegion, startBlobServer, type BlobServer } from '../../local/blobs/server.ts'
import { s3Store } from '../../src/adapters/blobs/s3.ts'
import { blobContract } from './blobs.contract.ts'

const credentials = { accessKeyId: 'parley', secretAccessKey: 'a secret of the tests' }
let folder = ''
let server: BlobServer | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-blobs-'))
  server = await startBlobServer(folder, credentials)
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

const bucket = (secretAccessKey = credentials.secretAccessKey) =>
  s3Store({ url: server?.url ?? '', accessKeyId: 'parley', secretAccessKey, region: blobRegion })

blobContract('A bucket behind the S3 API, which the folder of the launcher serves', bucket, 'acme/contract')

it('the folder refuses a request that is signed with another secret', async () => {
  await expect(bucket('another').begin('acme/x', 'a/b')).rejects.toThrow('SignatureDoesNotMatch')
})

it('a blob that was acknowledged is there after the folder was opened again', async () => {
  const id = await bucket().begin('acme/kept', 'a/b')
  const etag = await bucket().putPart('acme/kept', id, 1, new Uint8Array([7]), 1)
  await bucket().complete('acme/kept', id, [{ part: 1, etag }])
  await server?.stop()
  server = await startBlobServer(folder, credentials)
  expect(await bucket().head('acme/kept')).toMatchObject({ size: 1, type: 'a/b' })
})
