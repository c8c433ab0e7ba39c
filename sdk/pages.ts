/** The pages of one browser that share a store, so that a page knows whose messages were left behind. */
export interface Pages {
  /** The id of this page. Another page may be told of it once this resolves. */
  readonly own: Promise<string>
  /** The ids of the pages that live, this one among them. */
  living(): Promise<ReadonlySet<string>>
  /** Runs `work` while no other page does; not at all, when another page does. */
  alone(work: () => Promise<void>): Promise<void>
  /** This page ends. */
  leave(): void
}

const prefix = 'parley page '

/** What is used of the Web Locks API. */
interface Locks {
  request(name: string, work: () => Promise<void>): Promise<unknown>
  request(name: string, options: { ifAvailable: true }, work: (lock: unknown) => Promise<void>): Promise<unknown>
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>
}

interface Environment {
  readonly navigator?: { readonly locks?: Locks }
}
const environment: Environment = globalThis

/**
 * By the Web Locks API: a page holds a lock of its own as long as it lives, however it ends. Where there are no locks (Node, React
 * Native) the process is the only page.
 */
export function pagesOf(user: string, locks: Locks | undefined = environment.navigator?.locks): Pages {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
  if (locks === undefined)
    return {
      own: Promise.resolve(id),
      living: async () => new Set([id]),
      alone: (work) => work(),
      leave: () => undefined,
    }

  let leave = () => {}
  const left = new Promise<void>((resolve) => (leave = resolve))
  const own = new Promise<string>((resolve) => {
    const hold = () => {
      resolve(id)
      return left
    }
    locks.request(prefix + id, hold).catch(() => resolve(id))
  })
  return {
    own,
    living: async () => {
      const { held: all = [] } = await locks.query()
      return new Set(all.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : [])))
    },
    alone: async (work) => {
      await locks.request(`parley unsent ${user}`, { ifAvailable: true }, async (lock) => {
        if (lock !== null) await work()
      })
    },
    leave,
  }
}
