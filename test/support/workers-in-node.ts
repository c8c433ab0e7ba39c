/** What `cloudflare:workers` gives where a test of plain Node imports a part of an actor: base classes, and no bindings. */
class Base {
  readonly ctx: unknown
  readonly env: unknown
  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx
    this.env = env
  }
}

export { Base as DurableObject, Base as WorkerEntrypoint }
export const env = {}
/** Work goes on after the answer, and a failure of it fails nothing. */
export const waitUntil = (work: Promise<unknown>): void => void work.catch(() => undefined)
