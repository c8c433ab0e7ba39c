import { byteLength, isBlank, isPlainText } from '../kernel/text.ts'
import { conversationPattern } from './payloads.ts'
import { sizes } from './limits.ts'

/** A message of text only, for one conversation. */
export interface PlainSend {
  readonly conversation: string
  readonly clientId: string
  readonly text: string
}

/**
 * Reads the payload of the most frequent command, `message.send` with text only, as `sendPayload` would: the schema,
 * which the runtime may not compile, costs more than storing the message. Undefined for everything else, valid or not:
 * then the schema decides, and explains.
 */
export function plainSend(data: unknown): PlainSend | undefined {
  if (typeof data !== 'object' || data === null || Object.keys(data).length !== 3) return undefined
  if (!('conversation' in data && 'clientId' in data && 'text' in data)) return undefined
  const { conversation, clientId, text } = data
  if (typeof conversation !== 'string' || typeof clientId !== 'string' || typeof text !== 'string') return undefined
  const valid = conversationPattern.test(conversation) && isClientId(clientId) && isText(text)
  return valid ? { conversation, clientId, text } : undefined
}

const isClientId = (value: string): boolean =>
  value.length > 0 && value.length <= sizes.clientIdLength && isPlainText(value)

const isText = (value: string): boolean =>
  value.length <= sizes.textBytes && !isBlank(value) && isPlainText(value) && isShort(value)

/** A UTF-16 unit takes at most three bytes of UTF-8, so most texts need not be counted. */
const isShort = (value: string): boolean => value.length * 3 <= sizes.textBytes || byteLength(value) <= sizes.textBytes
