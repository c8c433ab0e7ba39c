/** Hex digits of the check at the end of an id. */
const checkDigits = 8

const utf8 = new TextEncoder()

/**
 * The id with its last eight digits replaced by a check: a part of the HMAC-SHA-256 of the others under a secret of the
 * tenant. It stays a UUID. An invented id has the right check once in 2^32 tries, so that it wakes no actor.
 */
export async function withCheck(id: string, secret: string): Promise<string> {
  const head = id.slice(0, -checkDigits)
  return `${head}${await checkOf(head, secret)}`
}

/** Whether an id ends with the check that the tenant's secret gives it. */
export const hasCheck = async (id: string, secret: string): Promise<boolean> => (await withCheck(id, secret)) === id

async function checkOf(head: string, secret: string): Promise<string> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', utf8.encode(secret), hmac, false, ['sign'])
  const digest = new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8.encode(head)))
  const digits = Array.from(digest.subarray(0, checkDigits / 2), (byte) => byte.toString(16).padStart(2, '0'))
  return digits.join('')
}
