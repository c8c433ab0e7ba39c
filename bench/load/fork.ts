import { fork } from 'node:child_process'

/** What came of a load that did not end well. */
export interface Failed {
  readonly kind: 'failed'
  readonly reason: string
}

/** A load in a process of its own: `pid` while it runs, and what it tells in the end. */
export interface Forked<T> {
  readonly pid: number | undefined
  readonly ended: Promise<T | Failed>
}

/** Runs `script` with its order and reads what it tells; one that takes longer than `limitMs`, or hangs, is ended. */
export function forkLoad<T>(
  script: string,
  order: object,
  { limitMs, read, signal }: { limitMs: number; read: (message: unknown) => T; signal?: AbortSignal },
): Forked<T> {
  const child = fork(script, { ...(signal && { signal, killSignal: 'SIGKILL' as const }), stdio: 'inherit' })
  const { promise, resolve } = Promise.withResolvers<T | Failed>()
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  child.once('message', (message) => resolve(read(message)))
  child.once('error', (error) => resolve({ kind: 'failed', reason: error.message }))
  child.once('exit', () => {
    clearTimeout(timer)
    resolve({ kind: 'failed', reason: 'the load ended without a result, or took too long' })
  })
  child.send(order)
  return { pid: child.pid, ended: promise }
}
