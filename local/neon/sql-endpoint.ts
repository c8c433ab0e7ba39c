import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer } from './answers.ts'
import { answerFor, answerWith, HttpRefusal, NotAdmitted } from './answers.ts'
import type { Pools } from './pools.ts'
import { readCaller, readWork, tenMegabytes } from './request.ts'
import type { Resolve } from './routes.ts'
import { admit } from './routes.ts'
import { run } from './run.ts'

/** What the endpoint works with. */
export interface SqlEndpoint {
  readonly resolve: Resolve
  readonly pools: Pools
}

/** Answers one `POST /sql`. Never rejects. */
export async function answerSql(
  endpoint: SqlEndpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  send(response, await answer(endpoint, request, gone.signal).catch(answerFor))
}

async function answer({ resolve, pools }: SqlEndpoint, request: IncomingMessage, gone: AbortSignal): Promise<Answer> {
  const work = await readWork(request)
  const { asked, password } = readCaller(request)
  const admission = admit(resolve, asked, password)
  if (admission.kind === 'refused') throw new NotAdmitted(admission.refusal)

  const results = await run(pools.for(admission.route), work, gone)
  const found = work.kind === 'single' ? answerWith(results[0]) : answerWith({ results }, work.echo)
  if (Buffer.byteLength(found.body) > tenMegabytes) throw new HttpRefusal(507, 'The response is larger than 10 MB')
  return found
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return
  const type = body.startsWith('{') ? 'application/json' : 'text/plain; charset=utf-8'
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
