import { setTimeout as pause } from 'node:timers/promises'

/** Tries something until it succeeds; after `patience` milliseconds its own failure is thrown. */
export async function eventually<T>(attempt: () => Promise<T>, patience = 30_000): Promise<T> {
  const deadline = Date.now() + patience
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await pause(20)
  }
}

/** Whether of so many seconds of a key's life hardly any are gone, however slowly we asked. */
export const isAlmost = (seconds: number) => (left: unknown) =>
  typeof left === 'number' && left <= seconds && left > seconds - 10
