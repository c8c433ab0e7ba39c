import { z } from 'zod'
import { reservedNamespaces, defaultNamespace } from './channels.ts'

/** Namespaces one tenant may have. */
export const maxNamespaces = 100

/** A namespace's name, the part of a channel before its colon; `default` is for channels without one. */
export const namespaceName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits, "_", "." and "-", at most 64, not only dots')
  .refine((name) => name !== '__proto__', 'a name of the language’s own')
  .refine(
    (name) => name === defaultNamespace || !reservedNamespaces.has(name),
    'conversation, user and jobs have rules of their own',
  )

/** Who may do something beside clients whose token has a capability for it; `nobody` excludes those too. */
const who = ['nobody', 'capability', 'users', 'anyone'] as const
const whoOrSubscribers = z.enum(['nobody', 'capability', 'subscribers', 'users', 'anyone'])

/**
 * `PUT /v1/namespaces/:name`. Without history a publication reaches the present subscribers and is never stored.
 * `users` are clients with a user id in their token, `anyone` includes anonymous ones.
 */
export const newNamespace = z.strictObject({
  /** Publications kept for each channel. */
  historySize: z.int().min(0).max(10_000).default(0),
  historyTtlSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .default(300),
  /** Whether returning subscribers are sent what they missed, as far as history goes. */
  recovery: z.boolean().default(true),
  presence: z.boolean().default(false),
  joinLeave: z.boolean().default(false),
  /** Whether joins and leaves are pushed to subscribers that do not ask for them. */
  forcePushJoinLeave: z.boolean().default(false),
  allow: z
    .strictObject({
      subscribe: z.enum(who).default('capability'),
      publish: whoOrSubscribers.default('capability'),
      history: whoOrSubscribers.default('subscribers'),
      presence: whoOrSubscribers.default('subscribers'),
    })
    .default({ subscribe: 'capability', publish: 'capability', history: 'subscribers', presence: 'subscribers' }),
})

/** A namespace as the API shows it. */
export const namedNamespace = z.object({ name: z.string(), ...newNamespace.shape }).meta({ id: 'Namespace' })

/** A namespace as a tenant has it. */
export type Namespace = z.output<typeof newNamespace>

/** Who may do something in a namespace. */
export type Allowed = z.output<typeof whoOrSubscribers>
