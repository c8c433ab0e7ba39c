import { z } from 'zod'
import { readToken, signToken } from '../kernel/signed-token.ts'
import { linkValidMs } from '../protocol/uploads-api.ts'

const purpose = 'file:'

const payload = z.object({
  /** The conversation, the upload, and the name of the file. */
  c: z.string(),
  u: z.string(),
  n: z.string(),
  /** When it ends, in milliseconds since the epoch. */
  e: z.int(),
})

/** A file that a link leads to, and until when. */
export interface FileLink {
  readonly conversation: string
  readonly upload: string
  readonly name: string
  readonly expiresAt: number
}

/** When links that are made now end. All links of the same few minutes are the same, so that browsers keep the file. */
export const linkEnd = (now: number): number => (Math.floor(now / (linkValidMs / 3)) + 4) * (linkValidMs / 3)

/** The token of a link. */
export const signLink = (secret: string, tenant: string, { conversation, upload, name, expiresAt }: FileLink) =>
  signToken(secret, purpose, tenant, { c: conversation, u: upload, n: name, e: expiresAt })

/** What a token says; undefined unless it was signed with this secret. Whether it is over is the caller's question. */
export async function readLink(secret: string, token: string): Promise<FileLink | undefined> {
  const read = payload.safeParse(await readToken(secret, purpose, token))
  if (!read.success) return undefined
  const { c, u, n, e } = read.data
  return { conversation: c, upload: u, name: n, expiresAt: e }
}
