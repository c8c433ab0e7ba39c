import { errors, type ErrorName, type Refusal } from './errors.ts'

/** Every refusal over HTTP, as RFC 9457 problem types. The names are public and listed at /docs/errors. */
export const problems = {
  'invalid-request': { status: 400, title: 'Invalid request' },
  'search-too-broad': { status: 400, title: 'Search is too broad' },
  'not-json': { status: 400, title: 'Body is not JSON' },
  unauthorized: { status: 401, title: 'Unauthorized' },
  'not-allowed': { status: 403, title: 'Forbidden' },
  frozen: { status: 403, title: 'Conversation is frozen' },
  banned: { status: 403, title: 'Banned from the conversation' },
  blocked: { status: 403, title: 'Blocked by the other user' },
  'content-refused': { status: 403, title: 'Content not allowed' },
  'user-banned': { status: 403, title: 'User is banned' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'Request timeout' },
  conflict: { status: 409, title: 'Conflict' },
  gone: { status: 410, title: 'Gone' },
  'too-large': { status: 413, title: 'Body too large' },
  'unsupported-encoding': { status: 415, title: 'Unsupported content encoding' },
  'too-many-requests': { status: 429, title: 'Rate limit exceeded' },
  'too-many-reactions': { status: 409, title: 'Too many reactions' },
  'too-many-pins': { status: 409, title: 'Too many pins' },
  flood: { status: 429, title: 'Repeated text' },
  'unknown-upload': { status: 404, title: 'Unknown upload' },
  'upload-not-ready': { status: 409, title: 'Upload is not complete' },
  'too-many-uploads': { status: 409, title: 'Too many open uploads' },
  'wrong-type': { status: 415, title: 'File is of another type' },
  'type-not-allowed': { status: 415, title: 'File type is not allowed' },
  'link-expired': { status: 410, title: 'Link has expired' },
  'too-many-streaming': { status: 409, title: 'Too many streaming messages' },
  'streaming-gap': { status: 409, title: 'Text is missing before the offset' },
  'streaming-ended': { status: 409, title: 'Message has ended' },
  'slow-mode': { status: 429, title: 'Slow mode' },
  'internal-error': { status: 500, title: 'Internal error' },
  'upstream-failed': { status: 502, title: 'Upstream does not answer' },
  unavailable: { status: 503, title: 'Service unavailable' },
  'upstream-timeout': { status: 504, title: 'Upstream too slow' },
} as const

/** The name of a catalogued problem. */
export type ProblemName = keyof typeof problems

/** A refusal over HTTP. */
export interface Problem {
  readonly name: ProblemName
  readonly detail: string
  readonly retryAfterMs?: number
  /** The rate limit policies that refused (draft-ietf-httpapi-ratelimit-headers, `violated-policies`). */
  readonly violatedPolicies?: readonly string[]
  /** The outside service that does not answer, by its name in `/readyz`. */
  readonly dependency?: string
}

const byError: Partial<Record<ErrorName, ProblemName>> = {
  unauthorized: 'unauthorized',
  tokenExpired: 'unauthorized',
  permissionDenied: 'not-found',
  notFound: 'not-found',
  notAllowed: 'not-allowed',
  conflict: 'conflict',
  frozen: 'frozen',
  slowMode: 'slow-mode',
  banned: 'banned',
  blocked: 'blocked',
  contentRefused: 'content-refused',
  flood: 'flood',
  tooLarge: 'too-large',
  tooManyRequests: 'too-many-requests',
  limitExceeded: 'conflict',
  tooManyReactions: 'too-many-reactions',
  tooManyPins: 'too-many-pins',
  unknownUpload: 'unknown-upload',
  uploadNotReady: 'upload-not-ready',
  tooManyUploads: 'too-many-uploads',
  tooManyStreaming: 'too-many-streaming',
  streamingGap: 'streaming-gap',
  streamingEnded: 'streaming-ended',
  searchTooBroad: 'search-too-broad',
  internal: 'unavailable',
}

/** The same refusal for HTTP; an object of another caller and one that does not exist get one answer. */
export function toProblem(refusal: Refusal): Problem {
  const name = byError[refusal.error] ?? 'invalid-request'
  const { message } = errors[refusal.error === 'permissionDenied' ? 'notFound' : refusal.error]
  const detail = refusal.detail ?? message
  return { name, detail, ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }) }
}
