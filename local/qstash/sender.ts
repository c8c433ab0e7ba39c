import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { canonical, type HeaderLists } from './header.ts'
import type { Message } from './message.ts'
import type { Outcome } from './retry.ts'
import { sign } from './signature.ts'

/** The limit of the real service's free plan. Not scaled, since endpoints run in real time. */
const LONGEST_ATTEMPT_MS = 15 * 60_000
/** The answer's bytes that failure callbacks and dead letters contain; the rest is cut off. */
const LONGEST_ANSWER = 1024 * 1024

/** Makes single, signed attempts over HTTP. */
export class Sender {
  readonly #signingKey: string
  readonly #agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) }
  readonly #underWay = new Set<ClientRequest>()

  constructor(signingKey: string) {
    this.#signingKey = signingKey
  }

  /** Never rejects: a failed connection is an outcome. */
  async send(message: Message): Promise<Outcome> {
    try {
      return await this.#attempt(message)
    } catch (error) {
      return { kind: 'unreachable', error: error instanceof Error ? error.message : String(error) }
    }
  }

  /** Aborts the running attempts. */
  stop(): void {
    for (const request of this.#underWay) request.destroy()
    this.#agents['http:'].destroy()
    this.#agents['https:'].destroy()
  }

  #attempt(message: Message): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const request = this.#open(message)
      const timer = setTimeout(() => request.destroy(new Error('timeout')), LONGEST_ATTEMPT_MS)
      this.#underWay.add(request)
      request.once('close', () => {
        clearTimeout(timer)
        this.#underWay.delete(request)
      })
      request.once('response', (response) => void readAnswer(response).then(resolve, reject))
      request.once('error', (error) => {
        // The endpoint closed a kept-alive connection just now: that is no failure of the endpoint.
        if (request.reusedSocket && isReset(error)) this.#attempt(message).then(resolve, reject)
        else reject(error)
      })
      request.end(message.body)
    })
  }

  #open(message: Message): ClientRequest {
    const url = new URL(message.url)
    const options = { method: message.details.method, headers: this.#headers(message) }
    return url.protocol === 'https:'
      ? httpsRequest(url, { ...options, agent: this.#agents['https:'] })
      : httpRequest(url, { ...options, agent: this.#agents['http:'] })
  }

  #headers({ id, url, retried, details, body }: Message): HeaderLists {
    const signature = sign({ url, body, key: this.#signingKey, now: Date.now() })
    return {
      'User-Agent': ['Upstash-QStash'],
      ...details.header,
      'Content-Length': [String(body.byteLength)],
      'Upstash-Signature': [signature],
      'Upstash-Message-Id': [id],
      'Upstash-Retried': [String(retried)],
      'Upstash-Caller-Ip': [details.callerIp],
    }
  }
}

const isReset = (error: Error) => 'code' in error && error.code === 'ECONNRESET'

async function readAnswer(response: IncomingMessage): Promise<Outcome> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk) || size >= LONGEST_ANSWER) continue
    chunks.push(chunk.subarray(0, LONGEST_ANSWER - size))
    size += chunk.byteLength
  }
  const header = canonical(Object.entries(response.headersDistinct).map(([name, values]) => [name, values ?? []]))
  return { kind: 'answered', status: response.statusCode ?? 0, header, body: Buffer.concat(chunks) }
}
