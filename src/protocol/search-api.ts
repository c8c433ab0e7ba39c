import { z } from 'zod'
import { defineOperation } from './operation.ts'
import { conversationId, userId } from './payloads.ts'

/** What can be asked for with `has`. */
export const hasKinds = ['link', 'file', 'image'] as const
export type HasKind = (typeof hasKinds)[number]

/** Messages of one page of a search. */
const maxFound = 50
/** Characters of what is looked for. */
const maxText = 256

const time = z.coerce.number().int().min(0).max(8_640_000_000_000_000)

/** Without the rules between fields, which an rpc and a query share. */
const fields = {
  q: z.string().max(maxText).optional().describe('Words, each of which must be there; "words in a row"; or beginning*'),
  conversation: conversationId.optional().describe('Only in this conversation'),
  author: userId.optional().describe('Only messages of this user'),
  thread: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Only the thread that this message begins; needs `conversation`'),
  has: z.enum(hasKinds).optional().describe('Only messages with a link, a file or an image'),
  after: time.optional().describe('Sent then or later, in milliseconds since the epoch'),
  before: time.optional().describe('Sent earlier than this'),
  sort: z.enum(['newest', 'relevance']).default('newest'),
  limit: z.coerce.number().int().min(1).max(maxFound).default(20),
  cursor: z.string().max(400).optional(),
} as const

const rules = <S extends z.ZodObject<typeof fields>>(schema: S) =>
  schema
    .refine(
      ({ thread, conversation }) => thread === undefined || conversation !== undefined,
      'thread: needs `conversation`',
    )
    .refine(
      ({ q, author, has }) => q !== undefined || author !== undefined || has !== undefined,
      'q: give words to look for, or `author` or `has`',
    )
    .refine(
      ({ q, sort }) => sort === 'newest' || q !== undefined,
      'sort: relevance is that of words; give `q`, or sort by newest',
    )

/** The payload of `search.messages`. */
export const searchPayload = rules(z.strictObject(fields))
export type SearchInput = z.output<typeof searchPayload>

const foundMessage = z
  .object({
    conversation: z.string(),
    seq: z.int(),
    id: z.string(),
    user: z.string(),
    at: z.int().describe('Milliseconds since the epoch'),
    thread: z.int().optional().describe('Seq of the message that begins its thread'),
    text: z.string().describe('The message, or the part of a long one around the first word that was found'),
    marks: z
      .array(z.tuple([z.int(), z.int()]))
      .describe('Where words are that were looked for: start and end in `text`, in UTF-16 units'),
    isCut: z.tuple([z.boolean(), z.boolean()]).describe('Whether something is left out before `text`, and after it'),
  })
  .meta({ id: 'FoundMessage' })

/** `GET /v1/search/messages`. */
export const searchPage = z.object({
  messages: z.array(foundMessage),
  next: z
    .string()
    .nullable()
    .describe('Cursor of the next page; null at the end. A page may have no messages and a next one'),
})
export type SearchAnswer = z.output<typeof searchPage>

/** Searches messages, over the socket and HTTP. */
export const searchMessagesDefinition = {
  name: 'search.messages',
  input: searchPayload,
  http: defineOperation({
    id: 'searchMessages',
    method: 'get',
    path: '/v1/search/messages',
    tag: 'Search',
    summary: 'Search the messages that a user may read',
    description:
      'Finds messages in the conversations of the user and in channels, some seconds after they were written. An API key searches for the user in user, or all conversations. Words are looked for whatever their case; in Chinese, Japanese, Korean and Thai any part of a text of two or more characters is found.',
    access: 'user-or-server',
    rateLimit: 'searches',
    query: rules(z.strictObject({ ...fields, user: userId.optional() })),
    responses: { 200: searchPage },
    errors: ['search-too-broad'],
    example: {
      response: {
        messages: [
          {
            conversation: '0199a3c2-0000-7000-8000-000000000001',
            seq: 2,
            id: '0199a3c2-0000-7000-8000-000000000001.2',
            user: 'alice',
            at: 1764460800000,
            text: 'Lunch at one?',
            marks: [[0, 5]],
            isCut: [false, false],
          },
        ],
        next: null,
      },
    },
  }),
} as const

/** Languages whose word forms Postgres knows without an extension. */
export const searchLanguages = [
  'danish',
  'dutch',
  'english',
  'finnish',
  'french',
  'german',
  'hungarian',
  'italian',
  'norwegian',
  'portuguese',
  'romanian',
  'russian',
  'spanish',
  'swedish',
  'turkish',
] as const

const language = z
  .enum(searchLanguages)
  .nullable()
  .describe('Forms of a word in this language are found as well, `run` by `running`; null for none')

const searchSettings = z
  .object({
    language,
    isFilled: z.boolean().describe('Whether the messages of before have been added, which goes on with each search'),
  })
  .meta({ id: 'SearchSettings' })

const exampleSettings = { language: 'english', isFilled: true } as const

/** `GET /v1/search/settings`. */
export const readSearchSettingsDefinition = defineOperation({
  id: 'readSearchSettings',
  method: 'get',
  path: '/v1/search/settings',
  tag: 'Search',
  summary: 'Read the language of the search',
  access: 'server',
  responses: { 200: searchSettings },
  example: { response: exampleSettings },
})

/** `PUT /v1/search/settings`. */
export const changeSearchSettingsDefinition = defineOperation({
  id: 'changeSearchSettings',
  method: 'put',
  path: '/v1/search/settings',
  tag: 'Search',
  summary: 'Choose the language of the search',
  description:
    'Holds for messages that are written from then on; those of before follow while you search, and are found by their very words until then.',
  access: 'server',
  body: z.strictObject({ language }),
  responses: { 200: searchSettings },
  example: { body: { language: 'english' }, response: { language: 'english', isFilled: false } },
})
