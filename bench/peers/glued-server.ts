/**
 * The stack a competent team would glue together: Socket.IO with its Redis adapter, one INSERT per message into
 * Postgres before the ack, a token bucket in Redis. Websocket transport only and without compression, as its manual
 * advises for speed. One process, as Parley's worker is one process.
 */
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { Server, type Socket } from 'socket.io'
import { z } from 'zod'
import { createMessages } from './glued-messages.ts'
import { createTokenBucket } from './token-bucket.ts'

const config = z
  .object({
    PORT: z.coerce.number(),
    DATABASE_URL: z.string(),
    REDIS_URL: z.string(),
    MESSAGES_PER_SECOND: z.coerce.number(),
  })
  .parse(process.env)

const redis = await createClient({ url: config.REDIS_URL }).connect()
const subscriber = await redis.duplicate().connect()
const messages = await createMessages(new Pool({ connectionString: config.DATABASE_URL, max: 20 }))
const bucket = await createTokenBucket(redis, config.MESSAGES_PER_SECOND)

const identity = z.object({ user: z.string().min(1) })
const joining = z.object({ conversation: z.string().min(1) })
const sending = z.object({ conversation: z.string(), clientId: z.string().min(1), text: z.string().min(1).max(10_000) })
type Reply = (answer: { error?: string; id?: string }) => void

const http = createServer((_, response) => response.end('alive'))
const io = new Server(http, {
  adapter: createAdapter(redis, subscriber),
  transports: ['websocket'],
  serveClient: false,
})

io.on('connection', (socket) => {
  const { user } = identity.parse(socket.handshake.auth)
  socket.on('join', (data: unknown, reply: Reply) => {
    void Promise.resolve(socket.join(joining.parse(data).conversation)).then(() => reply({}))
  })
  socket.on('send', (data: unknown, reply: Reply) => {
    receive(socket, user, data).then(reply, (error: unknown) => reply({ error: String(error) }))
  })
})

async function receive(socket: Socket, user: string, data: unknown): Promise<Parameters<Reply>[0]> {
  const { conversation, clientId, text } = sending.parse(data)
  if (!socket.rooms.has(conversation)) return { error: 'not a member' }
  if (!(await bucket.take(user))) return { error: 'too many messages' }

  const { id, at, duplicate } = await messages.store({ conversation, author: user, clientId, text })
  if (!duplicate) io.to(conversation).emit('message', { id, clientId, author: user, text, at })
  return { id }
}

http.listen(config.PORT, '127.0.0.1')
