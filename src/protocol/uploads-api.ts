import { z } from 'zod'
import { displayName, userId } from './payloads.ts'

const mebibyte = 1_048_576
/** The size of all parts but the last; also the smallest that R2 and S3 take. */
const smallestPart = 5 * mebibyte
/** Parts of one upload, at most: their etags stand in one row. */
export const maxParts = 100
/** The largest file that a tenant may allow. */
export const largestUpload = 5 * 1024 * mebibyte
/** The largest file where the tenant has not set another size. */
export const defaultUploadBytes = 100 * mebibyte
/** An upload that no message names is deleted this long after it was begun. */
export const uploadKeptMs = 24 * 3_600_000
/** Uploads of one user in one conversation that are not complete. */
export const maxOpenUploads = 20
/** How long a link to a file is valid. */
export const linkValidMs = 15 * 60_000
/** Files that one request asks links for. */
export const maxLinks = 50

/** How many bytes each part of a file has; the last one has the rest. */
export const partBytesOf = (size: number): number =>
  Math.max(smallestPart, Math.ceil(size / maxParts / mebibyte) * mebibyte)

/** How many parts a file has. */
export const partsOf = (size: number): number => Math.max(1, Math.ceil(size / partBytesOf(size)))

/** How many bytes a part of a file has; parts are numbered from 1. */
export const sizeOfPart = (size: number, part: number): number =>
  Math.min(partBytesOf(size), size - (part - 1) * partBytesOf(size))

/** What a file costs of the bytes of its tenant, in mebibytes. */
export const mebibytesOf = (size: number): number => Math.ceil(size / mebibyte)

/** The id of an upload: hard to guess, since it is a part of addresses. */
export const uploadId = z.string().regex(/^[A-Za-z0-9_-]{22}$/, 'not an upload id')

const mediaType = z
  .string()
  .max(127)
  .transform((given) => given.toLowerCase())
  .refine((given) => /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(given), 'a media type such as image/png')

/** `POST /v1/conversations/:id/uploads`. */
export const newUpload = z.strictObject({
  name: displayName.max(255).describe('The name of the file'),
  type: mediaType.describe('Its media type, which has to be that of its bytes'),
  size: z.int().min(1).max(largestUpload).describe('Its bytes'),
  user: userId.optional().describe('API keys only: the member that sends the file'),
})

/** A type, or all types of a kind: `image/png`, `image/*`. */
const typePattern = z
  .string()
  .max(127)
  .regex(/^[a-z0-9!#$&^_.+-]+\/(?:\*|[a-z0-9!#$&^_.+-]+)$/, 'a media type such as image/png, or a kind such as image/*')

/** What a tenant allows. */
export const uploadSettings = z.strictObject({
  maxBytes: z.int().min(1).max(largestUpload).optional().describe('The largest file; 100 MiB where it is left out'),
  types: z.array(typePattern).max(100).optional().describe('Types that may be uploaded; any where it is left out'),
})
export type UploadSettings = z.output<typeof uploadSettings>

/** An upload as its user sees it. */
export const uploadView = z
  .object({
    id: z.string(),
    name: z.string(),
    type: z.string(),
    size: z.int(),
    state: z.enum(['open', 'ready']).describe('`ready` once it is complete and messages may name it'),
    partBytes: z.int().describe('Bytes of each part; the last one has the rest'),
    parts: z.int().describe('How many parts there are'),
    received: z.array(z.int()).describe('Numbers of the parts that are stored'),
    width: z.int().optional().describe('Of a picture, in pixels'),
    height: z.int().optional(),
    expiresAt: z.int().nullable().describe('When it is deleted unless a message names it; null once one does'),
  })
  .meta({ id: 'Upload' })
export type UploadView = z.output<typeof uploadView>

/** `POST /v1/conversations/:id/upload-links`. */
export const linksWanted = z.strictObject({ uploads: z.array(uploadId).min(1).max(maxLinks) })

/** Links to files. Those that the caller may not see are left out. */
export const linkList = z.object({
  links: z.array(z.object({ upload: z.string(), url: z.string() })),
  expiresAt: z.int().describe('Until when the links work, in milliseconds since the epoch'),
})
