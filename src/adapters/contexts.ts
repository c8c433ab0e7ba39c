import { bindingOf, contextsHere, type ContextName, type LeavingContext } from '../contexts.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf } from '../kernel/request-context.ts'
import { endedBy } from './deadline.ts'
import { callDependency, CallRefused, DependencyError, type Dependency } from './dependency.ts'

/** How long an operation of a context in another Worker may take: the longest waits ten seconds itself. */
export const operationDeadlineMs = 15_000
/** How long a call of an actor of such a context may take while a client waits. */
const actorDeadlineMs = 5000

/** The Worker of a context as others call it; undefined where the context runs here. */
export function workerOf(env: Env, context: ContextName): NonNullable<Env['CORE']> | undefined {
  const here = contextsHere(env)
  if (here === undefined) return context === 'core' ? undefined : env[bindingOf(context)]
  return here.has(context) ? undefined : env.CORE
}

/** Whether a context runs in this Worker. */
export const isHere = (env: Env, context: ContextName): boolean => workerOf(env, context) === undefined

const service = (name: string, label: string, attempts: number): Dependency => ({
  name,
  label,
  breaker: { tenant: undefined, key: name },
  // As many as requests may be under way in one process.
  maxUnderWay: 2048,
  attempts,
})

/** How a call of a context may be made. */
export interface ContextCall {
  readonly deadlineMs: number
  /** Whether it may be made twice. */
  readonly isRepeatable: boolean
}

/**
 * Calls the Worker of a context within a deadline, through its breaker. Throws a DependencyError that names the context when the call
 * is not made or fails.
 */
export async function callContext<T>(
  env: Env,
  context: ContextName,
  { deadlineMs, isRepeatable }: ContextCall,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const attempts = isRepeatable ? 2 : 1
  return await naming(env, context, () =>
    // How long an operation takes says little about the Worker: some wait for events.
    callDependency(
      service(`context/${context}`, context, attempts),
      { deadlineMs, slowMs: Infinity },
      async (signal) => ({
        value: await endedBy(signal, call(signal)),
      }),
    ),
  )
}

/**
 * Calls an actor of a context from outside of it, where the context may run elsewhere and its actors with it: within a deadline, through
 * a breaker of its own, since actors may live on where the Worker does not answer. In one Worker it is the call alone.
 */
export async function callActorsOf<T>(env: Env, context: LeavingContext, call: () => T): Promise<Awaited<T>> {
  if (isHere(env, context)) return await call()
  return await naming(env, context, () =>
    callDependency(service(`actors/${context}`, context, 1), { deadlineMs: actorDeadlineMs }, async (signal) => ({
      value: await endedBy(signal, Promise.resolve(call())),
    })),
  )
}

async function naming<T>(env: Env, context: ContextName, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (thrown) {
    // An actor with too much to do is told apart from one that is away.
    if (thrown instanceof Error && 'overloaded' in thrown && thrown.overloaded === true) throw thrown
    // While the breaker is open its own line says so.
    if (!(thrown instanceof CallRefused))
      log.warn('context.unreachable', { ...idsOf(env.request), context, reason: reasonOf(thrown) })
    throw thrown instanceof DependencyError ? thrown : new DependencyError(context, thrown)
  }
}
