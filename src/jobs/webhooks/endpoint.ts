import { z } from 'zod'

/** What an `http` job is stored with: where to post, and the JSON text to post. */
export interface EndpointPost {
  readonly url: string
  readonly payload: string
}

const postShape = z.strictObject({ url: z.string(), payload: z.unknown() })

export const encodePost = ({ url, payload }: EndpointPost): string => `${postHead(url)}${payload}}`

/** Reads what `encodePost` wrote; the payload comes out byte for byte. Throws for a text that has no URL. */
export function readPost(text: string): EndpointPost {
  const { url, payload = null } = postShape.parse(JSON.parse(text))
  const head = postHead(url)
  return { url, payload: text.startsWith(head) ? text.slice(head.length, -1) : JSON.stringify(payload) }
}

const postHead = (url: string): string => `{"url":${JSON.stringify(url)},"payload":`
