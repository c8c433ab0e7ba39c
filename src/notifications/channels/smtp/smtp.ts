import { z } from 'zod'
import type { ProviderKind } from '../provider.ts'

/** Text on one line without a control character: none can end a command, or an argument of AUTH PLAIN. */
const line = z
  .string()
  .min(1)
  .max(500)
  .regex(/^\P{Cc}+$/u, 'without control characters')

/** How a server is reached: `tls` from the first byte (port 465), or `starttls` (587, 2525). */
export const smtpCredentials = z.strictObject({
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535).default(587),
  security: z.enum(['tls', 'starttls', 'none']).exactOptional(),
  user: line.exactOptional(),
  password: line.exactOptional(),
})
export type SmtpCredentials = z.output<typeof smtpCredentials>

/** The ports of submission (RFC 8314, RFC 6409) and the usual one beside them; Cloudflare opens none to port 25. */
const ports = [465, 587, 2525]

export const securityOf = ({ security, port }: SmtpCredentials): 'tls' | 'starttls' | 'none' =>
  security ?? (port === 465 ? 'tls' : 'starttls')

/** Why these are no credentials to be used, naming the field. A server on the same machine may have any port, and needs no encryption. */
export function badSmtp(credentials: SmtpCredentials, isPrivateAllowed: boolean): string | undefined {
  const { host, port, user, password } = credentials
  if ((user === undefined) !== (password === undefined)) return 'user: give `user` and `password`, or neither'
  if (isPrivateAllowed && (host === 'localhost' || /^127(?:\.\d+){3}$/.test(host))) return undefined
  if (!ports.includes(port)) return `port: one of ${ports.join(', ')}`
  if (securityOf(credentials) === 'none')
    return 'security: `none` is for a server on the same machine in a development system'
  return undefined
}

/** The name of the type. */
export const smtpType = 'smtp'

/** A server of SMTP, which is not called over HTTP. It has no idempotency keys. */
export const smtp: ProviderKind = {
  channel: 'email',
  isIdempotent: false,
  credentials: smtpCredentials,
  hostOf: (given) => {
    const { host, port } = smtpCredentials.parse(given)
    return `${host}:${port}`
  },
}
