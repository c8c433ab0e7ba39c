import { z } from 'zod'
import { defineOperation, type OperationDefinition, type Responses } from '../protocol/operation.ts'
import { seqParam } from '../protocol/api.ts'
import type { EntryKind } from '../protocol/entry-kind.ts'
import { conversationId, reaction, userId, type MessageContent } from '../protocol/payloads.ts'
import type { ProblemName } from '../protocol/problems.ts'
import { streamingId } from '../protocol/streaming-payloads.ts'
import type { StreamResult, StreamVerb } from '../protocol/stream.ts'
import type { AppliedCommands, ConversationState } from './state.ts'
import type { Actor } from './types.ts'

/**
 * What a command is counted as: a message for every command that adds to the log, a command of the connection for
 * reads and cursors, or a typing notice. Over HTTP every request is counted, and messages by the same buckets.
 */
export type RateLimitClass = 'message' | 'command' | 'typing'

/** The HTTP side of a command. Path parameters and the body are taken from the command's input. */
export interface HttpSide {
  /** The OpenAPI operationId. */
  readonly id: string
  readonly method: OperationDefinition['method']
  /** `{id}` is the conversation; other parameters are fields of the input. */
  readonly path: string
  readonly tag: string
  readonly description?: string
  /** Bodies by status, where it is not 200 with the output alone. */
  readonly responses?: Responses
  /** The status of an answer, where there are several. */
  readonly status?: (output: string) => number
  /** The query of a read, whose values arrive as text. */
  readonly query?: z.ZodType<object>
  readonly errors?: readonly ProblemName[]
  /** A request without a body is read as one with `{}`. */
  readonly optionalBody?: true
  readonly example?: NonNullable<OperationDefinition['example']>
}

interface Definition<I extends z.ZodObject> {
  /** The rpc method. */
  readonly name: string
  readonly summary: string
  /** Its fields; `conversation` names the conversation. */
  readonly input: I
  readonly output: z.ZodType
  readonly limit: RateLimitClass
  /** The kinds of entries that it writes into the log. */
  readonly entries?: readonly EntryKind[]
  /** Whether an API key may do it for the member that it names in `user`. */
  readonly onBehalf?: boolean
  /** Absent where the command makes sense on a connection only. */
  readonly http?: HttpSide
  /** How many items the command is counted as, where that depends on its input. */
  items?(input: z.output<I>): number
  /** The message that the input schedules for later, if it does. */
  later?(input: z.output<I>): LaterContent | undefined
  /** What travels to the conversation, where it is not the input itself. */
  verb?(input: z.output<I>): StreamVerb
  /** Decides, writes and publishes. Runs in the conversation, synchronously. */
  apply(
    state: ConversationState,
    actor: Actor,
    input: Omit<z.output<I>, 'conversation'>,
    applied: AppliedCommands,
  ): StreamResult
}

/** A message and when it is sent, in milliseconds since the epoch. */
export interface LaterContent {
  readonly content: MessageContent
  readonly deliverAt: number
}

/** A checked input of any command. */
export interface CommandInput {
  readonly conversation: string
}

/** The HTTP operation of a command. */
type CommandOperation = OperationDefinition & { readonly access: 'user-or-server' }

/** One thing a user or a tenant's server does in one conversation, defined once for the socket and HTTP. */
export interface Command {
  readonly name: string
  readonly summary: string
  readonly input: z.ZodType<CommandInput>
  readonly output: z.ZodType
  readonly limit: RateLimitClass
  readonly entries: readonly EntryKind[]
  readonly onBehalf: boolean
  /** The operation over HTTP, and how its answer becomes a status. */
  readonly http?: { readonly definition: CommandOperation; readonly status: (output: string) => number }
  items(input: object): number
  later(input: object): LaterContent | undefined
  verb(input: object): StreamVerb
  apply(state: ConversationState, actor: Actor, input: object, applied: AppliedCommands): StreamResult
}

/** Defines a command; `commands/table.ts` registers it. */
export function defineCommand<I extends z.ZodObject>(definition: Definition<I>): Command {
  const { name, summary, output, limit, entries = [], http, onBehalf = false } = definition
  const command: Definition<z.ZodObject> = definition
  return {
    name,
    summary,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the input of every command names its conversation
    input: definition.input as unknown as z.ZodType<CommandInput>,
    output,
    limit,
    entries,
    onBehalf,
    ...(http === undefined ? {} : { http: httpOf(command, http) }),
    items: (input: Fields) => command.items?.(input) ?? 1,
    later: (input: Fields) => command.later?.(input),
    verb: (input: Fields) => command.verb?.(input) ?? { kind: 'command', name, input: without(input, 'conversation') },
    apply: (state, actor, input: Fields, applied) => command.apply(state, actor, input, applied),
  }
}

type Fields = Record<string, unknown>

/** Any command may be asked for by a user that is banned. */
const refusals: readonly ProblemName[] = ['banned']

const pathParameters: Readonly<Record<string, z.ZodType>> = {
  clientId: streamingId,
  id: conversationId,
  seq: seqParam,
  user: userId,
  reaction,
}

function httpOf(
  { summary, input, output, onBehalf, limit }: Definition<z.ZodObject>,
  http: HttpSide,
): NonNullable<Command['http']> {
  const { responses = { 200: output }, status, query, errors = [], ...rest } = http
  const names = [...http.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const own = Object.keys(input.shape).filter((field) => field !== 'conversation' && !names.includes(field))
  const [only = 200] = Object.keys(responses).map(Number)
  const speaker = onBehalf === true ? { user: userId.optional() } : {}
  return {
    definition: defineOperation({
      ...rest,
      errors: [...errors, ...refusals, ...(limit === 'message' ? (['frozen', 'blocked'] as const) : [])],
      summary,
      access: 'user-or-server',
      params: z.object(pick(pathParameters, names)),
      ...(query === undefined ? {} : { query }),
      ...(query !== undefined || own.length === 0
        ? {}
        : { body: z.strictObject({ ...pick(input.shape, own), ...speaker }) }),
      responses,
    }),
    status: status ?? (() => only),
  }
}

const pick = <T>(shape: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(shape).filter(([name]) => names.includes(name)))

const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name))
