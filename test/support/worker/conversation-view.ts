import type { StreamAnswer, StreamCall } from '../../../src/protocol/stream.ts'
import { commandBy } from '../conversation-command.ts'

/** A conversation as one of its members reads it. */
export async function viewOf(
  conversation: { execute(call: StreamCall): Promise<StreamAnswer> },
  user: string,
): Promise<unknown> {
  const commands = [commandBy('conversation.get', { user })]
  const [result] = (await conversation.execute({ gateway: null, have: null, commands })).results
  return result?.kind === 'done' ? JSON.parse(result.data) : result
}
