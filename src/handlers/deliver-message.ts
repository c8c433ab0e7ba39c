import { z } from 'zod'
import { possibleConversation } from '../edge/identity/conversation-ids.ts'
import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import { readGiven, GivenJson } from '../protocol/given-json.ts'
import { conversationId, messageContent, toContent } from '../protocol/payloads.ts'

const payloadShape = z.strictObject({ conversation: conversationId, user: z.string(), content: messageContent })

/** Sends a scheduled message on behalf of its author. A second delivery has the same clientId and is the same message. */
export async function deliverMessage(env: Env, tenant: string, payload: string): Promise<Outcome> {
  const read = readGiven(payloadShape, new GivenJson(JSON.parse(payload), payload))
  if (!read.success) throw read.error
  const { conversation, user, content } = read.data
  const command = { user, client: '', server: user === '', kind: 'send' as const, content: toContent(content) }
  const { results } = await possibleConversation(env, tenant, conversation).execute({
    gateway: null,
    have: null,
    commands: [command],
    request: env.request,
  })
  const result = results[0]
  if (result?.kind === 'refused' && result.error === 'slowMode')
    return {
      kind: 'snooze',
      seconds: Math.ceil((result.retryAfterMs ?? 0) / 1000),
      reason: result.detail ?? result.error,
    }
  if (result?.kind === 'refused') return { kind: 'discard', reason: `${result.error}: ${result.detail ?? ''}` }
  return { kind: 'done' }
}
