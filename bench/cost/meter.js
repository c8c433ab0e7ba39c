/**
 * The Worker with a meter on every actor: what Cloudflare would put on the bill is counted as it happens, in the one
 * isolate that all actors of a workerd process share, and read at `/bill`. Plain JavaScript, as the built Worker is.
 */
const bill = { calls: {}, messages: 0, rowsWritten: {}, alarmsSet: 0, bytes: {} }
const add = (account, name, count) => (account[name] = (account[name] ?? 0) + count)

/** Rows are known once a statement has run to its end, which it has when the turn is over. */
function meterStorage(actor, ctx) {
  const { storage } = ctx
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  sql.exec = (...statement) => {
    const cursor = exec(...statement)
    queueMicrotask(() => add(bill.rowsWritten, actor, cursor.rowsWritten))
    bill.bytes[`${actor} ${ctx.id}`] = sql.databaseSize
    return cursor
  }
  const setAlarm = storage.setAlarm.bind(storage)
  storage.setAlarm = (...when) => {
    bill.alarmsSet++
    return setAlarm(...when)
  }
}

/** What the runtime calls on an actor, but for the messages of its sockets, which are twenty to a call. */
const notCalls = new Set(['constructor', 'webSocketMessage', 'webSocketClose', 'webSocketError'])

/** The actor `Actor` with a meter on it. */
export function metered(name, Actor) {
  const Metered = class extends Actor {
    constructor(ctx, env) {
      meterStorage(name, ctx)
      super(ctx, env)
    }
  }
  for (const method of Object.getOwnPropertyNames(Actor.prototype)) {
    const { value } = Object.getOwnPropertyDescriptor(Actor.prototype, method)
    if (typeof value !== 'function' || method === 'constructor') continue
    Metered.prototype[method] = function (...args) {
      if (method === 'webSocketMessage') bill.messages++
      if (!notCalls.has(method)) add(bill.calls, `${name}.${method}`, 1)
      return value.apply(this, args)
    }
  }
  return Metered
}

/** The Worker `worker` with the bill at `/bill`. */
export const withBill = (worker) => ({
  ...worker,
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === '/bill') return Response.json(bill)
    return worker.fetch(request, env, ctx)
  },
})
