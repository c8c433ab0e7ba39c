import { retryAfterMs } from '../../kernel/retry-after.ts'
import type { DeliveryOutcome } from '../model.ts'
import type { Answer } from './provider.ts'

/** Characters of a provider's answer that are kept. */
const answerLength = 300
/** Seconds that a provider may make a delivery wait, at most. */
const maxRetryAfterSeconds = 86_400

/** What an answer says, for the explanation of a delivery. */
export const answerOf = ({ status, text }: Answer): string =>
  `${status}${text === '' ? '' : `: ${text.replaceAll(/\s+/g, ' ').trim().slice(0, answerLength)}`}`

/**
 * What any provider means by a status (RFC 9110 §15): 429 and 503 were not taken, nor was what an error of the server's own ended;
 * a gateway's 502 and 504 say nothing about the server behind it, and 408 nothing about what it has read. A success that could not be read is not
 * known: something other than the provider may have answered.
 */
export function usualOutcome(answer: Answer, now: number): DeliveryOutcome {
  const { status } = answer
  const text = answerOf(answer)
  if (status === 429 || status === 425 || status === 503) return later(answer, now)
  if (status === 502 || status === 504 || status === 408) return { kind: 'unknown', answer: text }
  if (status >= 500) return later(answer, now)
  if (status >= 300) return { kind: 'refused', answer: text }
  return { kind: 'unknown', answer: `the answer was not understood: ${text}` }
}

/** Nothing was sent; tried again when the provider says. */
export function later(answer: Answer, now: number, ms?: number): DeliveryOutcome {
  const retryInMs = ms ?? retryAfterMs(answer.headers.get('retry-after'), now, maxRetryAfterSeconds)
  return { kind: 'later', answer: answerOf(answer), ...(retryInMs === undefined ? {} : { retryInMs }) }
}

export const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300

/** The members of a JSON object; none for any other text. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A success that names the message; one that does not is not known. */
export function deliveredWith(answer: Answer, id: unknown): DeliveryOutcome | undefined {
  if (!isSuccess(answer)) return undefined
  if (typeof id !== 'string' || id === '') return undefined
  return { kind: 'delivered', providerId: id.slice(0, 200), answer: String(answer.status) }
}

export const gone = (answer: Answer): DeliveryOutcome => ({ kind: 'gone', answer: answerOf(answer) })
export const refused = (answer: Answer): DeliveryOutcome => ({ kind: 'refused', answer: answerOf(answer) })
