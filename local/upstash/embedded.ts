import type { Backend, SubscriptionEvent } from './backend.ts'
import { type Clock, Engine } from './engine/engine.ts'
import { SnapshotFile } from './snapshot-file.ts'

/** A backend that is the engine itself, kept in `dataFile` if one is given. */
export async function embeddedBackend(clock: Clock, dataFile?: string): Promise<Backend> {
  const engine = await Engine.create(clock)
  const snapshot = dataFile === undefined ? undefined : await SnapshotFile.open(engine, dataFile)

  return {
    pipeline: async (commands) => commands.map((command) => engine.run(command)),
    transaction: async (commands) => engine.transaction(commands),
    subscribe: async (kind, names, subscriber) => {
      const event = (parts: SubscriptionEvent) => subscriber.event(parts)
      const stops = names.map((name) =>
        kind === 'subscribe' ? engine.pubsub.subscribe(name, event) : engine.pubsub.subscribePattern(name, event),
      )
      names.forEach((name, index) => event([kind, name, index + 1]))
      return () => stops.forEach((stop) => stop())
    },
    stop: async () => {
      await snapshot?.close()
    },
  }
}
