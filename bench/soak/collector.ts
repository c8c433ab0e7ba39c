import { z } from 'zod'

const targets = z.array(z.object({ webSocketDebuggerUrl: z.string() }))
const timeoutMs = 5000

/**
 * Has a process collect its garbage, over its inspector. What a runtime has not got round to collecting hides a leak for
 * hours, and looks like one: native memory hangs on objects of the script, which alone give no reason to collect.
 */
export class Collector {
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** False when the process could not be asked, or did not answer in time. */
  async collect(): Promise<boolean> {
    try {
      const list = await fetch(`http://127.0.0.1:${this.#port}/json`, { signal: AbortSignal.timeout(timeoutMs) })
      const done = targets.parse(await list.json()).map(({ webSocketDebuggerUrl }) => collectAt(webSocketDebuggerUrl))
      return done.length > 0 && (await Promise.all(done)).every(Boolean)
    } catch {
      return false
    }
  }
}

function collectAt(url: string): Promise<boolean> {
  const socket = new WebSocket(url)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), timeoutMs)
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.enable' }))
    socket.send(JSON.stringify({ id: 2, method: 'HeapProfiler.collectGarbage' }))
  })
  socket.addEventListener('message', ({ data }) => String(data).includes('"id":2') && resolve(true))
  socket.addEventListener('error', () => resolve(false))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}
