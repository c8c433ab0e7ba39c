import type { Duplex } from 'node:stream'
import { Client } from 'pg'
import { z } from 'zod'
import { frame } from './frames.ts'

/** An upstream session past its login, ready for the caller's own messages. */
export interface Session {
  /** The raw socket, TLS removed; not read yet. */
  readonly socket: Duplex
  /** What the server said during login, to repeat to the caller: all messages from AuthenticationOk to ReadyForQuery. */
  readonly greeting: Buffer
}

const parameterStatus = z.object({ parameterName: z.string(), parameterValue: z.string() })
const keyData = z.object({ processID: z.number(), secretKey: z.number() })

/**
 * Logs in upstream with pg, so that any authentication method and TLS work there, then takes the socket over. Throws
 * pg's DatabaseError when the server refuses, another error when it cannot be reached.
 */
export async function login(upstream: string, parameters: ReadonlyMap<string, string>): Promise<Session> {
  const client = new Client({
    connectionString: upstream,
    application_name: parameters.get('application_name'),
    options: parameters.get('options'),
  })
  const greeting = [frame('R', 0)]
  client.connection.on('parameterStatus', (message: unknown) => {
    const { parameterName, parameterValue } = parameterStatus.parse(message)
    greeting.push(frame('S', parameterName, parameterValue))
  })
  client.connection.on('backendKeyData', (message: unknown) => {
    const { processID, secretKey } = keyData.parse(message)
    greeting.push(frame('K', processID, secretKey))
  })
  // From here on the tunnel watches the socket itself.
  client.on('error', () => {})
  await client.connect()

  const socket = client.connection.stream
  socket.removeAllListeners('data')
  socket.pause()
  return { socket, greeting: Buffer.concat([...greeting, readyForQuery]) }
}

const readyForQuery = Buffer.from('Z\0\0\0\u0005I', 'latin1')
