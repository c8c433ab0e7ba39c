import { setTimeout as pause } from 'node:timers/promises'

/** Tries an expectation until it holds; after `patience` milliseconds its own failure is thrown. */
export async function eventually(holds: () => Promise<void>, patience = 30_000): Promise<void> {
  const deadline = Date.now() + patience
  for (;;) {
    try {
      return await holds()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await pause(20)
  }
}
