import { DurableObject } from 'cloudflare:workers'

/**
 * The least a durable conversation can be: one object per conversation, every message stored before it is published. What is measured
 * against it is the price, or the gain, of everything Parley adds. Plain JavaScript, since workerd reads it as it is.
 */
export class Conversation extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    this.sql = ctx.storage.sql
    this.sql.exec(`
      create table if not exists messages (
        seq integer primary key, client_id text not null, author text not null, text text not null, at integer not null
      );
      create unique index if not exists messages_client_id on messages (author, client_id);
    `)
    this.seq = this.sql.exec('select coalesce(max(seq), 0) as seq from messages').one().seq
  }

  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair()
    const { searchParams } = new URL(request.url)
    this.ctx.acceptWebSocket(server)
    server.serializeAttachment({ user: searchParams.get('user') })
    if (searchParams.has('since')) this.catchUp(server, Number(searchParams.get('since')))
    return new Response(null, { status: 101, webSocket: client })
  }

  /** What a returning client missed, in one frame. */
  catchUp(socket, since) {
    const missed = this.sql.exec(
      'select seq, client_id, author, text, at from messages where seq > ? order by seq',
      since,
    )
    socket.send(JSON.stringify({ missed: missed.toArray() }))
  }

  webSocketMessage(socket, frame) {
    const { id, clientId, text } = JSON.parse(frame)
    const { user } = socket.deserializeAttachment()
    const message = { seq: this.seq + 1, clientId, author: user, text, at: Date.now() }
    if (!this.store(message)) {
      socket.send(JSON.stringify({ id, seq: this.seqOf(message), duplicate: true }))
      return
    }
    this.seq = message.seq
    socket.send(JSON.stringify({ id, seq: message.seq }))
    this.tell(message)
  }

  /** False when the author sent it before. */
  store({ seq, clientId, author, text, at }) {
    const insert = `insert into messages (seq, client_id, author, text, at) values (?, ?, ?, ?, ?)
      on conflict (author, client_id) do nothing returning seq`
    return this.sql.exec(insert, seq, clientId, author, text, at).toArray().length === 1
  }

  seqOf({ author, clientId }) {
    return this.sql.exec('select seq from messages where author = ? and client_id = ?', author, clientId).one().seq
  }

  /** After the write, so that the output gate holds these frames until it is on disk. */
  tell(message) {
    const frame = JSON.stringify({ message })
    for (const socket of this.ctx.getWebSockets()) socket.send(frame)
  }

  webSocketClose(socket) {
    socket.close()
  }
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith('/conversations/')) return new Response('ready')
    return env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(pathname)).fetch(request)
  },
}
