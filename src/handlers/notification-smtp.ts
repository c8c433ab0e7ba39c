import { connectEndpoint } from '../adapters/endpoint-socket.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { systemClock } from '../kernel/clock.ts'
import { Unsendable, type Message } from '../notifications/channels/provider.ts'
import { mailText } from '../notifications/channels/smtp/mime.ts'
import { sendMail, type SmtpStream } from '../notifications/channels/smtp/smtp-client.ts'
import { badSmtp, securityOf, smtpCredentials } from '../notifications/channels/smtp/smtp.ts'
import type { DeliveryOutcome } from '../notifications/model.ts'
import { outcomeOf } from './notification-call.ts'

/** Hands an e-mail to the tenant's server of SMTP, through its breaker and the network for hosts that tenants name. */
export async function sendBySmtp(
  env: Env,
  tenant: string,
  message: Message,
  given: unknown,
  deadlineMs: number,
): Promise<DeliveryOutcome> {
  const credentials = smtpCredentials.parse(given)
  const { endpoints, publicUrl } = loadConfig(env)
  const bad = badSmtp(credentials, endpoints.allowPrivate)
  if (bad !== undefined) return { kind: 'refused', answer: bad }
  const { host: hostname, port, user, password } = credentials
  const security = securityOf(credentials)
  const login = user === undefined || password === undefined ? undefined : { user, password }
  const session = { security, login, name: new URL(publicUrl).hostname }
  try {
    const mail = await mailText(message, systemClock.now())
    const call = { tenant, hostname, port, deadlineMs }
    return await connectEndpoint(env, call, security === 'tls' ? 'on' : 'starttls', async (socket, signal) => {
      const { outcome, isTrouble } = await sendMail(streamOf(socket, signal), mail, session, signal)
      return { value: outcome, isFailure: isTrouble }
    })
  } catch (thrown) {
    if (thrown instanceof Unsendable) return { kind: thrown.kind, answer: thrown.message }
    const outcome = outcomeOf(thrown, true)
    // Without a connection nothing has been said.
    return outcome.kind === 'unknown' ? { ...outcome, kind: 'later' } : outcome
  }
}

/** A socket that is encrypted later is another one, which ends at the deadline as well. */
function streamOf(socket: Socket, signal: AbortSignal): SmtpStream {
  const close = () => void socket.close().catch(() => {})
  signal.addEventListener('abort', close)
  if (signal.aborted) close()
  return {
    readable: socket.readable,
    writable: socket.writable,
    startTls: () => streamOf(socket.startTls(), signal),
  }
}
