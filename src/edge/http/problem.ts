import { NeonDbError } from '@neondatabase/serverless'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { DependencyError } from '../../adapters/dependency.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf, type RequestContext } from '../../kernel/request-context.ts'
import { spreadMs } from '../../kernel/retry.ts'
import type { Refusal } from '../../protocol/errors.ts'
import { TooManyActors } from '../../limits/open-actors.ts'
import { problems, toProblem, type Problem, type ProblemName } from '../../protocol/problems.ts'
import type { App } from './context.ts'

/** Thrown anywhere behind a route to answer with a problem. */
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
}

/** Ends the request with a problem. */
export function fail(name: ProblemName, detail: string): never {
  throw new ProblemError({ name, detail })
}

/** Too much load: each caller is told another moment to come back. */
export const overloaded = (waitMs: number): ProblemError =>
  new ProblemError({
    name: 'unavailable',
    detail: 'Too much at once here; try again.',
    retryAfterMs: spreadMs(waitMs, Math.random()),
  })

/** The part that was asked has not answered; what it was asked to do may be done all the same. */
export const tookTooLong = (): ProblemError =>
  new ProblemError({
    name: 'unavailable',
    detail:
      'The answer took longer than 30 s and is no longer waited for. Repeat the request: with the same id it is done once.',
    retryAfterMs: spreadMs(1000, Math.random()),
  })

/** A development system answers from the moment its Worker listens, and makes its tenant a moment later. */
export const localTenantMissing = (): ProblemError =>
  new ProblemError({
    name: 'unavailable',
    detail: 'tenant: the system is starting and has not made its tenant yet; try again',
    retryAfterMs: 1000,
  })

/** Ends the request when an actor refused; otherwise hands its answer on. */
export function accepted<T extends object>(answer: T): Exclude<T, Refusal> {
  if (isRefusal(answer)) throw new ProblemError(toProblem(answer))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no refusal is what remains of T
  return answer as Exclude<T, Refusal>
}

const isRefusal = (answer: object): answer is Refusal => 'kind' in answer && answer.kind === 'refused'

/** A problem as RFC 9457 says it, with `Retry-After` where waiting helps. */
export function problemResponse(c: Context<App>, problem: Problem): Response {
  const { status } = problems[problem.name]
  for (const [name, value] of Object.entries(retryAfter(problem))) c.header(name, value)
  return c.json(documentOf(problem, c.get('requestId')), statusOf(status), problemHeaders)
}

const problemHeaders = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' } as const

const retryAfter = ({ retryAfterMs }: Problem): Record<string, string> =>
  retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }

/** The same where no route of Hono is reached. */
export function plainProblem(problem: Problem, requestId: string): Response {
  const { status } = problems[problem.name]
  const headers = { ...problemHeaders, ...retryAfter(problem), 'X-Request-Id': requestId }
  return new Response(JSON.stringify(documentOf(problem, requestId)), { status, headers })
}

function documentOf({ name, detail, retryAfterMs, violatedPolicies, dependency }: Problem, requestId: string): object {
  const { status, title } = problems[name]
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs }
  const violated = violatedPolicies === undefined ? {} : { 'violated-policies': violatedPolicies }
  const failed = dependency === undefined ? {} : { dependency }
  return { type: `/docs/errors#${name}`, title, status, detail, requestId, ...retry, ...violated, ...failed }
}

const statusOf = (status: (typeof problems)[ProblemName]['status']): ContentfulStatusCode => status

/** The one place where whatever was thrown becomes an answer. What it says never tells of our insides. */
export const onError = (thrown: Error, c: Context<App>): Response =>
  problemResponse(c, problemFrom(thrown, c.env.request, c.req.path))

/** The problem that a caller is told of whatever was thrown. */
export function problemFrom(thrown: Error, request: RequestContext | undefined, path: string): Problem {
  if (thrown instanceof ProblemError) return thrown.problem
  if (thrown instanceof HTTPException) return fromHttpException(thrown)
  if (thrown instanceof DependencyError) return dependencyProblem(thrown)
  if (isUnreachable(thrown)) return dependencyProblem({ dependency: 'postgres' })
  if (thrown instanceof TooManyActors) return tooManyActors(thrown)
  if (isOverloaded(thrown)) return overloaded(1000).problem
  log.error('edge.unhandled', { ...idsOf(request), path, reason: reasonOf(thrown) })
  if (isStorageFailure(thrown)) return storageProblem()
  return { name: 'internal-error', detail: 'Try again; if it stays, report the requestId.' }
}

const dependencyProblem = ({ dependency }: Pick<DependencyError, 'dependency'>): Problem => ({
  name: 'unavailable',
  detail: `${dependency}: does not answer; try again`,
  retryAfterMs: spreadMs(1000, Math.random()),
  dependency,
})

const tooManyActors = ({ message, retryAfterMs }: TooManyActors): Problem => ({
  name: 'too-many-requests',
  detail: message,
  retryAfterMs,
})

const storageProblem = (): Problem => ({
  name: 'unavailable',
  detail: 'storage: could not be read or written; nothing was acknowledged, try again',
  retryAfterMs: spreadMs(5000, Math.random()),
})

/** What the platform makes of an actor whose file it cannot read or write: a full disk, a damaged file. */
const isStorageFailure = (thrown: Error): boolean => /^internal error; reference = \w+$/.test(thrown.message)

/** A database that did not take the statement; one that refused it says so by a code. */
const isUnreachable = (thrown: Error): boolean => thrown instanceof NeonDbError && thrown.code === undefined

/** The platform's word for an actor that cannot keep up; trying again at once would only make it worse. */
const isOverloaded = (thrown: Error): boolean => 'overloaded' in thrown && thrown.overloaded === true

function fromHttpException({ status, message }: HTTPException): Problem {
  if (status === 413) return { name: 'too-large', detail: message }
  return status === 400 ? { name: 'not-json', detail: message } : { name: 'invalid-request', detail: message }
}
