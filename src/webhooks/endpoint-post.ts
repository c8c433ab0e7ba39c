import { z } from 'zod'
import { BoundedMap } from '../kernel/bounded-map.ts'
import type { KeyValue } from '../kernel/key-value.ts'

/** What an `http` job is stored with: where to post, and the JSON text to post. */
export interface EndpointPost {
  readonly url: string
  readonly payload: string
}

const postShape = z.strictObject({ url: z.string(), payload: z.unknown() })

export const encodePost = ({ url, payload }: EndpointPost): string => `${postHead(url)}${payload}}`

/** Reads what `encodePost` wrote; the payload comes out byte for byte. Throws when one of the two is missing. */
export function readPost(text: string): EndpointPost {
  const { url, payload } = postShape.parse(JSON.parse(text))
  const head = postHead(url)
  return { url, payload: text.startsWith(head) ? text.slice(head.length, -1) : JSON.stringify(payload) }
}

const postHead = (url: string): string => `{"url":${JSON.stringify(url)},"payload":`

/*
 * Signatures of posts to endpoints by Standard Webhooks (standard-webhooks.com, spec v1): HMAC-SHA256 over
 * `id.timestamp.body`, one signature for each secret, so that a receiver recognizes one during a rotation.
 */
const prefix = 'whsec_'

const storedSecrets = z.array(z.object({ secret: z.string(), until: z.number().nullable() }))

/** How long the previous secret signs beside the new one, so that receivers can change over. */
const overlapMs = 24 * 3_600_000

/** The secrets that sign a queue's posts to endpoints, created when first needed. */
export class SigningSecrets {
  readonly #kv: KeyValue
  #secrets: z.output<typeof storedSecrets> | undefined

  constructor(kv: KeyValue) {
    this.#kv = kv
  }

  /** Valid secrets, the newest first. */
  current(now: number): string[] {
    const valid = this.#read().filter(({ until }) => until === null || until > now)
    return valid.length > 0 ? valid.map(({ secret }) => secret) : this.rotate(now)
  }

  /** Creates a secret of 32 random bytes (the specification asks for 24 to 64); the previous one signs beside it for a day. */
  rotate(now: number): string[] {
    const before = this.#read().filter(({ until }) => until === null)
    const secrets = [
      { secret: prefix + toBase64(crypto.getRandomValues(new Uint8Array(32))), until: null },
      ...before.map(({ secret }) => ({ secret, until: now + overlapMs })),
    ]
    this.#kv.put('secrets', secrets)
    this.#secrets = secrets
    return secrets.map(({ secret }) => secret)
  }

  #read(): z.output<typeof storedSecrets> {
    return (this.#secrets ??= storedSecrets.parse(this.#kv.get('secrets') ?? []))
  }
}

/** The headers that sign a post; `now` in milliseconds. */
export async function signedHeaders(
  secrets: readonly string[],
  id: string,
  body: string,
  now: number,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000))
  const signatures = await Promise.all(secrets.map((secret) => sign(secret, `${id}.${timestamp}.${body}`)))
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

type ImportedSecret = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** Imported secrets, the oldest dropped first: a tenant's calls are signed with the same one or two. */
const keys = new BoundedMap<string, ImportedSecret>(1000)

async function sign(secret: string, content: string): Promise<string> {
  const key = keys.get(secret) ?? (await importSecret(secret))
  const digest = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(content))
  return `v1,${toBase64(new Uint8Array(digest))}`
}

async function importSecret(secret: string): Promise<ImportedSecret> {
  const bytes = Uint8Array.from(atob(secret.slice(prefix.length)), (char) => char.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  keys.set(secret, key)
  return key
}

const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
