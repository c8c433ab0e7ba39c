import type { Result, Router } from 'hono/router'
import { RegExpRouter } from 'hono/router/reg-exp-router'

/**
 * Finds an operation: one without parameters by its whole path, the others by one regular expression for each method. Hono's
 * own choice falls back to a slower search for all of them, since the expression cannot have `/v1/jobs/batch` beside
 * `/v1/jobs/:id/redrive`.
 */
export class OperationRouter<T> implements Router<T> {
  readonly name = 'OperationRouter'
  readonly #fixed = new Map<string, Result<T>>()
  readonly #others = new RegExpRouter<T>()

  add(method: string, path: string, handler: T): void {
    if (path.includes(':')) this.#others.add(method, path, handler)
    else this.#fixed.set(`${method} ${path}`, [[[handler, {}]]])
  }

  match(method: string, path: string): Result<T> {
    return this.#fixed.get(`${method} ${path}`) ?? this.#others.match(method, path)
  }
}
