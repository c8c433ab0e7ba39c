/**
 * Every refusal a client can receive on the wire. Codes are public: add, never renumber.
 * 100–399 are the Centrifuge protocol's own, 400–1999 Parley's. `temporary` tells the SDK to try again by itself.
 */
export const errors = {
  internal: { code: 100, message: 'internal server error', temporary: true },
  unauthorized: { code: 101, message: 'unauthorized', temporary: false },
  /** The channel's namespace is not one of ours. */
  unknownChannel: { code: 102, message: 'unknown channel', temporary: false },
  permissionDenied: { code: 103, message: 'permission denied', temporary: false },
  /** An rpc method that does not exist. */
  methodNotFound: { code: 104, message: 'method not found', temporary: false },
  alreadySubscribed: { code: 105, message: 'already subscribed', temporary: false },
  /** More channels on one connection than allowed. */
  limitExceeded: { code: 106, message: 'limit exceeded', temporary: false },
  badRequest: { code: 107, message: 'bad request', temporary: false },
  notAvailable: { code: 108, message: 'not available', temporary: false },
  /** The connection token has expired: fetch a new one. */
  tokenExpired: { code: 109, message: 'token expired', temporary: false },
  expired: { code: 110, message: 'expired', temporary: false },
  /** The sender's bucket is empty; `retryAfterMs` is the time until the next token. */
  tooManyRequests: { code: 111, message: 'too many requests', temporary: true },
  /** The stream no longer holds what follows the given position, or is another incarnation. */
  unrecoverablePosition: { code: 112, message: 'unrecoverable position', temporary: false },

  /** The payload of an rpc or publish breaks a rule; the message names field and rule. */
  invalidPayload: { code: 400, message: 'invalid payload', temporary: false },
  /** The caller is a member but not allowed to do this. */
  notAllowed: { code: 403, message: 'not allowed', temporary: false },
  /** No such conversation or message, or one of another tenant or of other users: the answer is the same. */
  notFound: { code: 404, message: 'no such conversation', temporary: false },
  /**
   * The same clientId was used before with another text, or for a message that ended undelivered, or the thing changed
   * meanwhile.
   */
  conflict: { code: 409, message: 'conflict', temporary: false },
  tooLarge: { code: 413, message: 'too large', temporary: false },
  /** The conversation is frozen, and the caller's role does not ignore that. */
  frozen: { code: 423, message: 'the conversation is frozen', temporary: false },
  /** The author's last message is too recent; `retryAfterMs` is the time until the next one. */
  slowMode: { code: 429, message: 'slow mode', temporary: true },
  /** The user is banned from the conversation. */
  banned: { code: 451, message: 'banned from the conversation', temporary: false },

  /** The other member of the direct conversation has blocked the caller. */
  blocked: { code: 452, message: 'blocked by the other user', temporary: false },

  /** The content rules of the tenant refuse the text, its links or its mentions. */
  contentRefused: { code: 453, message: 'content not allowed', temporary: false },
  /** The same text again and again; `retryAfterMs` is the time until it may be sent once more. */
  flood: { code: 454, message: 'repeated text', temporary: false },

  /** The message has as many different reactions as it may have, or as many of this user. */
  tooManyReactions: { code: 440, message: 'too many reactions', temporary: false },
  /** The conversation has as many pins as it may have. */
  tooManyPins: { code: 441, message: 'too many pins', temporary: false },

  /** There is no such upload of the caller in the conversation, or it was not used in time. */
  unknownUpload: { code: 460, message: 'unknown upload', temporary: false },
  /** The upload is not complete. */
  uploadNotReady: { code: 461, message: 'upload is not complete', temporary: false },
  /** The user has as many open uploads in the conversation as they may have. */
  tooManyUploads: { code: 462, message: 'too many open uploads', temporary: false },
  /** As many messages of the conversation or of the author grow as may at a time. */
  tooManyStreaming: { code: 470, message: 'too many streaming messages', temporary: false },
  /** Text before the given offset is missing. */
  streamingGap: { code: 471, message: 'text is missing before the offset', temporary: false },
  /** The message has ended. */
  streamingEnded: { code: 472, message: 'the message has ended', temporary: false },
  /** A search did not end in its time: it has to name a conversation, a time or rarer words. */
  searchTooBroad: { code: 442, message: 'the search is too broad', temporary: false },
} as const

/** The name of a catalogued refusal. */
export type ErrorName = keyof typeof errors

/** A refusal on its way to a client: which one, what exactly is wrong, and when to retry. */
export interface Refusal {
  readonly kind: 'refused'
  readonly error: ErrorName
  readonly detail?: string
  readonly retryAfterMs?: number
}

/** The refusal of what comes too fast; `what` is the limit, "" for that of messages. */
export const refuseTooFast = (what: string, retryAfterMs: number): Refusal =>
  refuse('tooManyRequests', `${what === '' ? '' : `${what}: `}wait ${retryAfterMs} ms`, retryAfterMs)

/** Builds a refusal; `detail` names the thing, the rule and the fix. */
export function refuse(error: ErrorName, detail?: string, retryAfterMs?: number): Refusal {
  return {
    kind: 'refused',
    error,
    ...(detail === undefined ? {} : { detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}
