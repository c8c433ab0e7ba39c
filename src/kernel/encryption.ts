/** A key of 256 bits for AES-GCM, and the id that its ciphertexts contain. */
export interface EncryptionKey {
  readonly id: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

const keyBytes = 32
const ivBytes = 12
const version = 'v1'

/**
 * Reads one or two keys, `<id>:<32 bytes in base64>`, separated by a comma. The first one encrypts. Throws an error that says
 * what is wrong, without the key.
 */
export function readEncryptionKeys(text: string): EncryptionKey[] {
  const keys = text.split(',').map((part, index) => readKey(part.trim(), index + 1))
  if (keys.length > 2) throw new Error(`at most two keys, got ${keys.length}`)
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new Error('the ids of the two keys must differ')
  return keys
}

function readKey(part: string, position: number): EncryptionKey {
  const [, id, encoded] = /^([\w-]{1,32}):([\w+/-]+={0,2})$/.exec(part) ?? []
  if (id === undefined || encoded === undefined)
    throw new Error(`key ${position}: write <id>:<32 bytes in base64>; the id has 1 to 32 letters, digits, "-" or "_"`)
  const bytes = fromBase64(encoded)
  if (bytes?.length !== keyBytes) throw new Error(`key "${id}": ${keyBytes} bytes in base64, got ${bytes?.length ?? 0}`)
  return { id, bytes }
}

/** The id of the key that a text was encrypted with; undefined when it is no text of `encrypt`. */
export function encryptionKeyOf(encrypted: string): string | undefined {
  const [found, id, , , ...rest] = encrypted.split('.')
  return found === version && rest.length === 0 ? id : undefined
}

/**
 * Encrypts a text with the first key: `v1.<key id>.<iv>.<ciphertext>`. It can be decrypted with the same `context` only, so
 * that a text that was stored for one thing cannot be used for another.
 */
export async function encrypt(keys: readonly EncryptionKey[], text: string, context: string): Promise<string> {
  const [key] = keys
  if (key === undefined) throw new Error('ENCRYPTION_KEYS is not set: without a key nothing can be encrypted')
  const iv = crypto.getRandomValues(new Uint8Array(ivBytes))
  const imported = await importKey(key, 'encrypt')
  const encrypted = await crypto.subtle.encrypt(parametersOf(iv, key.id, context), imported, utf8(text))
  return [version, key.id, toBase64(iv), toBase64(new Uint8Array(encrypted))].join('.')
}

/** The text that was encrypted. Throws when its key is not among `keys`, and when text, key or context were changed. */
export async function decrypt(keys: readonly EncryptionKey[], encrypted: string, context: string): Promise<string> {
  const id = encryptionKeyOf(encrypted)
  const [, , iv = '', body = ''] = encrypted.split('.')
  const key = keys.find((each) => each.id === id)
  if (key === undefined) throw new Error(`ENCRYPTION_KEYS has no key "${id ?? ''}", which ${context} is encrypted with`)
  const [ivGiven, bodyGiven] = [fromBase64(iv), fromBase64(body)]
  if (ivGiven === undefined || bodyGiven === undefined) throw new Error(`${context}: what is stored is damaged`)
  try {
    const parameters = parametersOf(ivGiven, key.id, context)
    const text = await crypto.subtle.decrypt(parameters, await importKey(key, 'decrypt'), bodyGiven)
    return new TextDecoder().decode(text)
  } catch {
    throw new Error(
      `${context}: key "${key.id}" of ENCRYPTION_KEYS is not the one it was encrypted with, or it was changed`,
    )
  }
}

const importKey = ({ bytes }: EncryptionKey, use: 'encrypt' | 'decrypt') =>
  crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [use])

const parametersOf = (iv: Uint8Array<ArrayBuffer>, id: string, context: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: utf8(`${version}.${id}.${context}`),
})

const utf8 = (text: string) => new TextEncoder().encode(text)

const toBase64 = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** Standard or URL-safe base64; undefined when it is neither. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return Uint8Array.from(decoded, (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}
