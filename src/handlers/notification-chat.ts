import { recipientsNumberOf } from '../../durable-objects/address.ts'
import { callConversation } from '../../durable-objects/open-actors.ts'
import { callRecipientsNumbered } from '../../durable-objects/open-recipients.ts'
import type { Env } from '../env.ts'
import { reasonOf } from '../kernel/log.ts'
import { within } from '../kernel/retry.ts'
import { refreshedData } from '../notifications/chat/notification.ts'
import type { DeliveryOrder, DeliveryOutcome } from '../notifications/model.ts'

/** How long a conversation may take to say whether a message is still needed, in milliseconds. */
const askingMs = 5_000

/** An order about a conversation with what that says now, or the outcome where nothing is to be sent now. */
export async function asOfNow(
  env: Env,
  order: DeliveryOrder,
): Promise<{ readonly order: DeliveryOrder } | DeliveryOutcome> {
  const { tenant, chat, document } = order
  if (chat === undefined) return { order }
  const { conversation, ...about } = chat
  const user = document.recipient.id
  try {
    const asked = callConversation(env, tenant, conversation, (actor) => actor.noticeNow({ ...about, user }))
    const now = await within(askingMs, 'the conversation', asked)
    if (now.kind === 'over') return { kind: 'not-needed', answer: now.reason }
    const names = await namesOf(env, tenant, now.messages)
    const messages = now.messages.map((message) => ({ ...message, name: names.get(message.user) ?? message.user }))
    const data = refreshedData(document.data, { ...now, messages })
    return { order: { ...order, document: { ...document, data } } }
  } catch (thrown) {
    return { kind: 'later', answer: `the conversation could not be asked: ${reasonOf(thrown)}` }
  }
}

/** Display names of the authors of messages. One that cannot be read is left out. */
async function namesOf(env: Env, tenant: string, messages: readonly { readonly user: string }[]) {
  const names = new Map<string, string>()
  const users = [...new Set(messages.map(({ user }) => user))].filter((user) => user !== '')
  const calls = [...Map.groupBy(users, recipientsNumberOf)].map(async ([number, own]) => {
    const profiles = await callRecipientsNumbered(env, tenant, number, (recipients) => recipients.usersById(own, true))
    for (const text of profiles) {
      const { id, name }: { readonly id: string; readonly name?: string } = JSON.parse(text)
      if (name !== undefined && name !== '') names.set(id, name)
    }
  })
  await within(askingMs, 'the profiles', Promise.allSettled(calls)).catch(() => undefined)
  return names
}
