import { z } from 'zod'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { callActorsOf } from '../../../adapters/contexts.ts'
import type { Command } from '../../../conversations/command.ts'
import { editMessage } from '../../../conversations/commands/edit-message.ts'
import { sendMessage } from '../../../conversations/commands/send-message.ts'
import { beginMessage, refuseUnchecked } from '../../../conversations/commands/stream-message.ts'
import { commands } from '../../../conversations/commands/table.ts'
import { scheduleMessage, type LaterMessage, type LaterPorts } from '../../../jobs/schedules/scheduled-message.ts'
import { conversationChannel } from '../../../protocol/channels.ts'
import type { StreamCommand } from '../../../protocol/stream.ts'
import type { AppContext } from '../../http/context.ts'
import { operation, type Operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { takeMessageToken } from '../../rate-limits/platform-limits.ts'
import { checkContent, flagMessage } from '../moderation/content-rules.ts'
import { actingUser, actorOf, type Caller } from './caller.ts'

/** The commands of a conversation over HTTP. */
export const commandOperations: readonly Operation[] = commands.flatMap((command) => operationOf(command))

function operationOf(command: Command): Operation[] {
  const { http } = command
  if (http === undefined) return []
  return [
    operation(http.definition, async ({ c, caller, params, query, body }) => {
      const { id: conversation = '', ...named } = fieldsOf(params)
      const { user: speaker, ...rest } = fieldsOf(body)
      const given = command.onBehalf ? rest : fieldsOf(body)
      const asked = { ...fieldsOf(query), ...given, ...named }
      const actor = actorOf(caller, command.onBehalf ? actingUser(caller, asText(speaker)) : '')
      const stub = possibleConversation(c.env, caller.tenant, String(conversation))
      await takeTokens(c, caller, String(conversation), command, asked)
      if (caller.kind === 'user' && command === beginMessage && c.get('tenant')?.contentRules !== undefined)
        accepted(refuseUnchecked())
      const checked = caller.kind === 'user' && isChecked(command) ? checkAsked(c, caller.user, asked) : undefined
      const input = checked === undefined ? asked : { ...asked, text: checked.text }
      const later = command.later(input)
      const json =
        later === undefined
          ? await execute(c, stub, { ...actor, ...command.verb(input) })
          : await schedule(c, stub, { tenant: caller.tenant, conversation: String(conversation), actor, ...later })
      if (caller.kind === 'user' && checked !== undefined && checked.flags.length > 0 && later === undefined)
        await flag(c, caller, String(conversation), input, checked, json)
      const status = http.status(json)
      return http.definition.responses[status] === null ? { status } : { status, json }
    }),
  ]
}

/** Commands with a text that the tenant's rules are about. */
const isChecked = ({ name }: Command): boolean => name === sendMessage.name || name === editMessage.name

const checkedInput = z.object({
  text: z.string(),
  clientId: z.string().optional(),
  mentions: z.object({ users: z.array(z.string()).optional() }).optional(),
  attachments: z.array(z.object({ url: z.string() })).optional(),
})

/** The rules are asked about nothing where the tenant has none. */
function checkAsked(c: AppContext, user: string, asked: Fields) {
  const record = c.get('tenant')
  return record?.contentRules === undefined ? undefined : checkContent(record, user, checkedInput.parse(asked))
}

const placedAnswer = z.object({ seq: z.int(), at: z.int(), duplicate: z.boolean().default(false) })

/** A message that is flagged is sent, and reviewed. */
async function flag(
  c: AppContext,
  { tenant, user }: Extract<Caller, { kind: 'user' }>,
  conversation: string,
  input: Fields,
  { text, flags }: { readonly text: string; readonly flags: readonly string[] },
  json: string,
): Promise<void> {
  const { seq, at, duplicate } = placedAnswer.parse(JSON.parse(json))
  if (duplicate) return
  const edited = typeof input['seq'] === 'number' ? input['seq'] : seq
  await flagMessage(c.env, tenant, { conversation, seq: edited, user, text, at, flags })
}

type ConversationStub = ReturnType<typeof possibleConversation>
type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (parsed: unknown): Fields => (typeof parsed === 'object' && parsed !== null ? { ...parsed } : {})

const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/**
 * Counts a command that adds to a log as a message, by the same buckets as over the socket, and by its items. The
 * tenant's own server is limited by its requests and items alone.
 */
async function takeTokens(
  c: AppContext,
  caller: Caller,
  conversation: string,
  command: Command,
  input: Fields,
): Promise<void> {
  if (command.limit === 'message' && caller.kind === 'user')
    await takeMessageToken(c.env, caller.tenant, caller.user, conversationChannel(conversation))
  await takeItems(c.env, caller, command.items(input))
}

/** Runs one command and returns its answer as JSON text. */
async function execute({ env }: AppContext, stub: ConversationStub, command: StreamCommand): Promise<string> {
  const call = { gateway: null, have: null, commands: [command], request: env.request }
  const [result] = (await stub.execute(call)).results
  if (result === undefined) return fail('internal-error', 'no answer')
  const answer = accepted(result)
  return answer.kind === 'done' ? answer.data : fail('internal-error', 'unexpected answer')
}

/** Turns a message for later into a job and returns the answer as JSON text. */
async function schedule({ env }: AppContext, stub: ConversationStub, message: LaterMessage): Promise<string> {
  const ports: LaterPorts = {
    admits: (actor) => stub.admitsWriter(actor),
    enqueue: (job) =>
      callActorsOf(env, 'jobs', () => jobQueueOf(env, message.tenant, 'default').enqueue(job, env.request)),
  }
  return JSON.stringify(accepted(await scheduleMessage(ports, message)).says)
}
