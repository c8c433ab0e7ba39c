import { readToken, signToken } from '../../kernel/signed-token.ts'

/** Links to be followed are tracked up to this length. */
const maxUrlLength = 2000
/** Links of one message that are tracked; further ones stay as they are. */
export const maxTrackedLinks = 200
/** Separates tokens of tracked links from those of preferences, which name no purpose. */
const purpose = 'track:'

/** What a tracked address stands for: a link of a message, or without `url` its picture. */
export interface TrackedLink {
  readonly tenant: string
  readonly delivery: string
  readonly url?: string | undefined
}

/** The address that a tracked link or the picture of a message has. */
export async function trackedUrl(publicUrl: string, secret: string, link: TrackedLink): Promise<string> {
  const { tenant, delivery, url } = link
  return `${publicUrl}/n/${await signToken(secret, purpose, tenant, { d: delivery, l: url })}`
}

/** What the token of a tracked address stands for; undefined unless it was signed with this secret. */
export async function readTracked(secret: string, token: string): Promise<Omit<TrackedLink, 'tenant'> | undefined> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- signed by this system
  const read = (await readToken(secret, purpose, token)) as { d: string; l?: string } | undefined
  return read === undefined ? undefined : { delivery: read.d, url: read.l }
}

/** The address of a link as it is tracked; undefined for one that is left as it is, such as the links to preferences and unsubscription. */
export function trackableUrl(href: string, publicUrl: string): string | undefined {
  const text = href.trim()
  if (text.length > maxUrlLength || !URL.canParse(text)) return undefined
  const { protocol, username, password, href: url } = new URL(text)
  if ((protocol !== 'https:' && protocol !== 'http:') || username !== '' || password !== '') return undefined
  const isOwn = ['/preferences/', '/unsubscribe/', '/n/'].some((path) => url.startsWith(publicUrl + path))
  return isOwn ? undefined : url
}
