import type { z } from 'zod'
import type { ProblemName } from './problems.ts'

/**
 * Which credentials an operation accepts: none, an API key or a user token, an API key only, or the operator's key.
 * Whether a user may do it to this very object is the operation's own decision.
 */
export type Access = 'public' | 'user-or-server' | 'server' | 'operator'

/** The bucket a request is taken from beside that of all requests; `checks` have a bucket instead of it. */
export type RequestClass = 'requests' | 'searches' | 'uploads' | 'notifications' | 'checks'

/** The bodies an operation answers with, by status; null where the answer has no body. */
export type Responses = Readonly<Record<number, z.ZodType | null>>

/**
 * One operation of the HTTP API, said once: the route, the checks of its input, the OpenAPI document, the role and
 * isolation tests and the SDK's types are derived from it.
 */
export interface OperationDefinition {
  /** The OpenAPI operationId: a verb and a noun in camelCase, unique. */
  readonly id: string
  readonly method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  /** OpenAPI's notation: `/v1/conversations/{id}`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /** Path parameters; a value that breaks its schema names nothing and is answered with 404. */
  readonly params?: z.ZodObject
  readonly query?: z.ZodType<object>
  /** Request headers with a meaning of their own, by their names as documentation writes them: `Idempotency-Key`. */
  readonly headers?: z.ZodObject
  readonly body?: z.ZodType
  /** The body as documentation shows it, where `body` reads more than one form of it. */
  readonly documentedBody?: z.ZodType
  /**
   * The implementation reads the body itself, since it may have other media types than JSON, these among them; `body` is
   * what documentation shows.
   */
  readonly rawBody?: readonly string[]
  /** Bytes that its body may have, where it may have more than others. */
  readonly bodyBytes?: number
  /** How long it takes follows from the bytes of the client: the implementation keeps the deadline. */
  readonly isTransfer?: true
  /** A request without a body is read as one with `{}`. */
  readonly optionalBody?: true
  /** The requests of which class this one counts among; `requests` when it is not given. */
  readonly rateLimit?: RequestClass
  /** The media type of the answer where it is not JSON; its bodies are then texts. */
  readonly contentType?: string
  /** The answer holds a secret: no cache may keep it. */
  readonly isSecret?: true
  readonly responses: Responses
  /** Problems beside those that every operation of its kind can answer with; see `errorsOf`. */
  readonly errors?: readonly ProblemName[]
  /** A request body and the answer to it, for the documentation; both are held against the schemas by a test. */
  readonly example?: { readonly body?: unknown; readonly response?: unknown }
}

/** Keeps the literal types of a definition. */
export const defineOperation = <const D extends OperationDefinition>(definition: D): D => definition

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

/** What a definition's schemas make of a request. */
export interface OperationInput<D extends OperationDefinition> {
  readonly params: Parsed<D['params']>
  readonly query: Parsed<D['query']>
  readonly headers: Parsed<D['headers']>
  readonly body: D['rawBody'] extends readonly string[] ? undefined : Parsed<D['body']>
}

/** A value of a schema as an answer gives it: what an actor hands out may be read-only. */
type Given<T> = T extends readonly (infer E)[]
  ? readonly Given<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Given<T[K]> }
    : T

/**
 * An answer of the operation: one of its statuses, with the body that belongs to it. `json` is a body that is JSON text already,
 * or a stream of it, or null for a read whose answer the caller has: the one of this ETag. `age` is how many seconds old it is.
 */
export type OperationAnswer<D extends OperationDefinition> = {
  readonly [S in keyof D['responses']]: D['responses'][S] extends z.ZodType
    ? | { readonly status: S; readonly body: Given<z.input<D['responses'][S]>>; readonly age?: number }
      | { readonly status: S; readonly json: string | ReadableStream | null; readonly etag?: string | undefined }
    : { readonly status: S }
}[keyof D['responses']]

/** Whether answers carry an ETag, and a repeated read is answered 304. */
export const isCheckedByEtag = ({ method, isSecret }: OperationDefinition): boolean =>
  method === 'get' && isSecret !== true

/** Every problem an operation can answer with: those of its kind, then its own. */
export function errorsOf(definition: OperationDefinition): readonly ProblemName[] {
  const { access, params, query, headers, body, errors = [] } = definition
  const always: ProblemName[] = ['too-many-requests', 'internal-error', 'unavailable']
  const ofUsers: ProblemName[] = access === 'user-or-server' ? ['user-banned'] : []
  const credentials: ProblemName[] = access === 'public' ? [] : ['unauthorized', 'not-allowed', ...ofUsers]
  const input: ProblemName[] = [
    ...((query ?? headers ?? body) === undefined ? [] : (['invalid-request'] as const)),
    ...(body === undefined ? [] : (['not-json', 'too-large', 'request-timeout', 'unsupported-encoding'] as const)),
    ...(params === undefined ? [] : (['not-found'] as const)),
  ]
  return [...new Set([...input, ...credentials, ...errors, ...always])]
}

/** The status that the example of a definition shows: the one of a first request where repeats have another. */
export function exampleStatus({ responses }: OperationDefinition): number | undefined {
  const statuses = Object.keys(responses).map(Number)
  const first = [201, 202].find((status) => statuses.includes(status) && responses[status] !== null)
  return first ?? statuses.find((status) => responses[status] !== null)
}
