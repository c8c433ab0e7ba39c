import { connect, type Socket } from 'node:net'
import { bearer, type Load } from './side.ts'

/** Requests over kept-alive connections, one after the other on each; returns how many were answered in `ms`. */
export async function loadFor(origin: string, load: Load, lanes: number, ms: number): Promise<number> {
  const until = performance.now() + ms
  const counts = await Promise.all(
    Array.from({ length: lanes }, (_, lane) => runLane(origin, load, until, lane * 1_000_003)),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

async function runLane(origin: string, load: Load, until: number, first: number): Promise<number> {
  const { hostname, port, host } = new URL(origin)
  const socket = connect(Number(port), hostname)
  let count = 0
  try {
    while (performance.now() < until) {
      const answered = answer(socket)
      socket.write(requestText(load, host, first + count))
      const status = await answered
      if (status >= 300) throw new Error(`${load.name} answered ${status}`)
      count++
    }
    return count
  } finally {
    socket.destroy()
  }
}

function requestText({ method, path, body }: Load, host: string, n: number): string {
  const text = body?.(n)
  const content = text === undefined ? '' : `Content-Length: ${Buffer.byteLength(text)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearer}\r\n${content}\r\n${text ?? ''}`
}

/** The status of the next answer, once all of it has come. The server says how long each is. */
function answer(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    const settle = (done: () => void) => {
      socket.off('data', read).off('error', fail).off('close', end)
      done()
    }
    const read = (piece: Buffer) => {
      text += piece.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
      const isWhole = length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + Number(length)
      if (isWhole) settle(() => resolve(Number(text.slice(9, 12))))
    }
    const fail = (error: Error) => settle(() => reject(error))
    const end = () => settle(() => reject(new Error('the server closed the connection')))
    socket.on('data', read).once('error', fail).once('close', end)
  })
}
