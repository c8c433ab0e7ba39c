import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DatabaseError } from 'pg'
import { NotAdmitted } from './answers.ts'
import { frame, readPassword, readStartup } from './frames.ts'
import type { Session } from './login.ts'
import { login } from './login.ts'
import type { Resolve } from './routes.ts'
import { admit } from './routes.ts'

/**
 * Carries one Postgres session over a WebSocket. The proxy asks for the password in clear text itself and logs in
 * upstream by whatever method the server wants: the SDK sends password and first query ahead (`pipelineConnect`), which
 * a server asking for SCRAM would refuse. Resolves when the session is over; never rejects.
 */
export async function tunnel(caller: Duplex, host: string, resolve: Resolve): Promise<void> {
  try {
    const { socket, greeting } = await enter(caller, host, resolve)
    caller.write(greeting)
    await carry(caller, socket)
  } catch (error) {
    if (caller.writable) caller.end(errorResponse(error))
  }
}

async function enter(caller: Duplex, host: string, resolve: Resolve): Promise<Session> {
  const { parameters } = await readStartup(caller, () => caller.write('N'))
  caller.write(frame('R', askForPassword))
  const password = await readPassword(caller)
  const user = parameters.get('user') ?? ''
  const admission = admit(resolve, { host, user, database: parameters.get('database') ?? user }, password)
  if (admission.kind === 'refused') throw new NotAdmitted(admission.refusal)

  return await login(admission.route.upstream, parameters)
}

/** AuthenticationCleartextPassword. */
const askForPassword = 3

/**
 * Both directions until either side ends. A caller that vanishes takes its upstream socket along; the server notices
 * that even in the middle of a statement if its `client_connection_check_interval` is set.
 */
async function carry(caller: Duplex, socket: Duplex): Promise<void> {
  await Promise.allSettled([pipeline(caller, socket), pipeline(socket, caller)])
  socket.destroy()
}

function errorResponse(error: unknown): Buffer {
  const { severity, code, message } = fieldsOf(error)
  // Each field is a letter directly followed by its text; an empty text ends the list.
  return frame('E', `S${severity}`, `V${severity}`, `C${code}`, `M${message}`, '')
}

function fieldsOf(error: unknown): { severity: string; code: string; message: string } {
  if (error instanceof NotAdmitted) return error.refusal
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof DatabaseError) return { severity: 'FATAL', code: error.code ?? 'XX000', message }
  // The class of SQLSTATE for "the connection could not be made".
  return { severity: 'FATAL', code: '08006', message }
}
