import { interruptMessage } from '../../src/conversations/commands/stream-message.ts'
import { StreamingMessages } from '../../src/conversations/streaming.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import type { Settings } from '../shared/settings.ts'
import type { Subscribers } from '../shared/subscribers.ts'

interface Store {
  readonly conversation: Conversation | undefined
  readonly log: { top(): number }
  readonly subscribers: Subscribers
  readonly messages: { readonly streaming: StreamingMessages; isStreaming: boolean }
}

/** Runs the commands of a call. */
export interface Executes {
  execute(call: StreamCall): StreamAnswer
}

/**
 * The streaming messages of a conversation, each in a setting of its own; `streaming` is how many there are. See
 * docs/design/streaming-messages.md.
 */
export const streamingMessages = (settings: Settings, store: () => Store): StreamingMessages =>
  new StreamingMessages({
    read: (place) => settings.get(`streaming ${place}`) ?? '',
    write(place, text) {
      const before = settings.get(`streaming ${place}`) ?? ''
      settings.set(`streaming ${place}`, text)
      const change = (text === '' ? 0 : 1) - (before === '' ? 0 : 1)
      if (change === 0) return
      settings.set('streaming', settings.number('streaming') + change)
      store().messages.isStreaming = settings.number('streaming') > 0
    },
    now: () => systemClock.now(),
    later: (ms, run) => void setTimeout(run, ms),
    publish(events) {
      const { conversation, log, subscribers } = store()
      if (conversation === undefined || conversation.deletedAt !== undefined) return
      subscribers.publish({ epoch: conversation.epoch, after: log.top(), publications: [], events }, null)
    },
  })

/** Ends messages of silent authors by commands, so that they are published and reported like others. */
export async function interruptSilent({ conversation, messages }: Store, actor: Executes): Promise<void> {
  const { streaming } = messages
  if (conversation === undefined || conversation.deletedAt !== undefined) return streaming.clear()
  for (const message of streaming.overdue(systemClock.now())) {
    const { user, clientId, epoch } = message
    if (epoch !== conversation.epoch) streaming.end(message, false)
    const command = { kind: 'command', name: interruptMessage.name, input: { clientId } } as const
    actor.execute({ gateway: null, have: null, commands: [{ user, client: '', server: true, ...command }] })
  }
}
