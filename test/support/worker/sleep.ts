import { evictDurableObject } from 'cloudflare:test'
import { eventually } from './bounded.ts'

/**
 * Puts an actor to sleep: its memory goes, its sockets stay. The runtime waits a moment for what the actor has under way,
 * which on a loaded machine is not always over by then; and one that had nothing to do for ten seconds sleeps already.
 */
export async function putToSleep(actor: DurableObjectStub): Promise<void> {
  await eventually('an actor without anything under way', async () => {
    try {
      await evictDurableObject(actor, { webSockets: 'hibernate' })
      return true
    } catch (thrown) {
      if (String(thrown).includes('not currently running')) return true
      if (!String(thrown).includes('active references')) throw thrown
      return undefined
    }
  })
}
