import { z } from 'zod'
import { isPlainText } from '../kernel/text.ts'

/** Words of all lists together, and characters of one. */
export const maxWords = 500
export const wordLength = 64
const maxHosts = 200

const action = z
  .enum(['refuse', 'mask', 'flag'])
  .describe('`mask` puts * in the place of what matches; `flag` sends the message and opens a review')
const actionWithoutMask = z.enum(['refuse', 'flag'])

const word = z
  .string()
  .trim()
  .min(1)
  .max(wordLength)
  .refine(isPlainText, 'must be well-formed Unicode')
  .refine(
    (value) => /^\*?[^*]*[\p{L}\p{N}][^*]*\*?$/u.test(value),
    'a word or phrase, with * at its beginning or its end only',
  )
  .describe('A word or phrase; * at its beginning or end stands for further letters. Case and accents do not count')

const host = z
  .string()
  .max(253)
  .regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, 'a host such as example.com, in lower case; its subdomains belong to it')

/** `PUT /v1/content-rules`: what messages of users may not contain. */
export const contentRules = z
  .strictObject({
    words: z
      .array(z.strictObject({ list: z.array(word).min(1).max(maxWords), action }))
      .max(10)
      .default([]),
    links: z
      .strictObject({
        allow: z.array(host).max(maxHosts).optional().describe('Links to other hosts match; an empty list allows none'),
        deny: z.array(host).max(maxHosts).optional().describe('Links to these hosts match, also without a scheme'),
        action: actionWithoutMask,
      })
      .optional(),
    repeats: z
      .strictObject({
        count: z.int().min(2).max(20).describe('The same text so many times matches'),
        seconds: z.int().min(1).max(600),
        action: actionWithoutMask,
      })
      .optional(),
    mentions: z
      .strictObject({ max: z.int().min(0).max(50).describe('More users than that match'), action: actionWithoutMask })
      .optional(),
  })
  .refine(
    ({ words }) => words.reduce((sum, { list }) => sum + list.length, 0) <= maxWords,
    `words: at most ${maxWords} in all lists together`,
  )
  .meta({ id: 'ContentRules' })
export type ContentRules = z.output<typeof contentRules>
export type RuleAction = z.output<typeof action>

/** Rules that allow everything: a tenant with these pays nothing. */
export const noRules: ContentRules = { words: [] }

export const isEmptyRules = ({ words, links, repeats, mentions }: ContentRules): boolean =>
  words.length === 0 && links === undefined && repeats === undefined && mentions === undefined
