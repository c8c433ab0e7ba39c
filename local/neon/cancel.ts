import { connect } from 'node:net'
import type { Client } from 'pg'
import { z } from 'zod'

/** What the server gave at login to cancel by; pg keeps it on the client without declaring it. */
const key = z.object({ processID: z.number().int(), secretKey: z.number().int() })

/** The protocol's number for a cancel request, sent in place of a version. */
const cancelRequest = 80_877_102

/**
 * Asks the server to cancel what the client runs, over a connection of its own as the protocol requires. Resolves when
 * the server has passed it on; never throws, since the client expects no answer.
 */
export async function cancel(client: Client): Promise<void> {
  const { success, data } = key.safeParse(client)
  if (!success) return
  const message = Buffer.alloc(16)
  message.writeInt32BE(message.length, 0)
  message.writeInt32BE(cancelRequest, 4)
  message.writeInt32BE(data.processID, 8)
  message.writeInt32BE(data.secretKey, 12)
  await new Promise<void>((resolve) => {
    const socket = connect(client.port, client.host, () => socket.end(message))
    socket.on('error', () => {})
    socket.once('close', () => resolve())
    socket.resume()
  })
}
