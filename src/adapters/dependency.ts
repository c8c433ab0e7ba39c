import { log, reasonOf } from '../kernel/log.ts'
import { idsOf, type RequestContext } from '../kernel/request-context.ts'

/** How long a request waits for an outside service before it is answered with 503. */
export const requestDeadlineMs = 5000
/** How long one call to an outside service may take where no request waits for it. */
export const backgroundDeadlineMs = 30_000

/** An outside service failed or did not answer in time. `dependency` is its name in `/readyz`. */
export class DependencyError extends Error {
  readonly dependency: string

  constructor(dependency: string, cause: unknown) {
    super(`${dependency} does not answer`, { cause })
    this.dependency = dependency
  }
}

/** The result of a call to an outside service. Throws a DependencyError that names the service when the call fails. */
export async function fromDependency<T>(
  dependency: string,
  call: () => Promise<T>,
  request?: RequestContext,
): Promise<T> {
  try {
    return await call()
  } catch (thrown) {
    log.warn('dependency.failed', { ...idsOf(request), dependency, reason: reasonOf(thrown) })
    throw new DependencyError(dependency, thrown)
  }
}
