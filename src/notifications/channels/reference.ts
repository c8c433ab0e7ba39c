import { isRecord } from './answers.ts'

/** Names of the parts of a reference among the tags or metadata of a message. */
const partName = (index: number): string => (index === 0 ? 'delivery' : `delivery${index + 1}`)
const maxParts = 8

/**
 * The id of a delivery as tags of a message, so that a report about the message names it: as base64url, which all providers take, in parts
 * of the length that a provider allows.
 */
export function referenceTags(id: string, length: number): Record<string, string> {
  const text = btoa(String.fromCharCode(...new TextEncoder().encode(id)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
  const count = Math.ceil(text.length / length)
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [partName(index), text.slice(index * length, (index + 1) * length)]),
  )
}

/** The id of the delivery that tags name: an object, or a list of names and values. A list of values is its first one. */
export function deliveryIn(tags: unknown): string | undefined {
  const named = Array.isArray(tags)
    ? Object.fromEntries(
        tags
          .filter(isRecord)
          .map(({ name, value }): [string, unknown] => [typeof name === 'string' ? name : '', value]),
      )
    : isRecord(tags)
      ? tags
      : {}
  let text = ''
  for (let index = 0; index < maxParts; index++) {
    const given: unknown = named[partName(index)]
    const part: unknown = Array.isArray(given) ? given[0] : given
    if (typeof part !== 'string') break
    text += part
  }
  return text === '' ? undefined : decoded(text)
}

function decoded(text: string): string | undefined {
  if (!/^[A-Za-z0-9_-]{1,2000}$/.test(text)) return undefined
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
    const id = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return /^[A-Za-z0-9-]{1,64}\/[\x21-\x7e]{3,400}$/.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

/** The user of a delivery: what is between the notification and the step, neither of which has a slash. */
export function userOfDelivery(id: string): { readonly notification: string; readonly user: string } | undefined {
  const [first, last] = [id.indexOf('/'), id.lastIndexOf('/')]
  return last - first < 2 ? undefined : { notification: id.slice(0, first), user: id.slice(first + 1, last) }
}
