import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { build } from 'esbuild'
import { ParleyError, type ParleyServer } from '../../../sdk/server.ts'
import { topic } from '../shared/order.ts'
import type { PartUrls } from '../shared/set-up.ts'
import type { ProviderStandIn } from './provider.ts'

interface PageOptions {
  readonly port: number
  readonly parley: ParleyServer
  readonly parleyUrl: string
  readonly urls: PartUrls
  readonly provider: ProviderStandIn
}

const page = join(import.meta.dirname, '../page')

/** Serves the page of the shop, and passes on what it asks. Returns how to end it. */
export async function startPage({
  port,
  parley,
  parleyUrl,
  urls,
  provider,
}: PageOptions): Promise<() => Promise<void>> {
  const { outputFiles } = await build({
    entryPoints: [join(page, 'page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    logLevel: 'warning',
  })
  const script = outputFiles.map(({ text }) => text).join('')
  const html = await readFile(join(page, 'page.html'), 'utf8')

  const answer = async (request: IncomingMessage): Promise<[type: string, body: string]> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://localhost:${port}`)
    switch (pathname) {
      case '/':
        return ['text/html; charset=utf-8', html]
      case '/page.js':
        return ['text/javascript', script]
      case '/session':
        return json({ url: parleyUrl, token: await parley.token('customer') })
      case '/events':
        return json(await parley.events(topic, Number(searchParams.get('after') ?? 0)))
      case '/provider':
        if (request.method === 'POST') provider.isDown = !provider.isDown
        return json({ isDown: provider.isDown })
      case '/orders':
        return ['application/json', await passOn(request, `${urls.orders}/orders`)]
      case '/stock':
        return ['application/json', await passOn(request, `${urls.stock}/stock`)]
      default:
        return json({ error: 'there is no such page' })
    }
  }
  const server = createServer((request, response) => {
    answer(request).then(
      ([type, body]) => response.writeHead(200, { 'content-type': type }).end(body),
      (thrown: unknown) => {
        const detail = thrown instanceof ParleyError || thrown instanceof Error ? thrown.message : String(thrown)
        response.writeHead(502, { 'content-type': 'application/json' }).end(JSON.stringify({ error: detail }))
      },
    )
  })
  await new Promise<void>((listening, failed) => server.once('error', failed).listen(port, '127.0.0.1', listening))
  return async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
}

const json = (value: unknown): [string, string] => ['application/json', JSON.stringify(value)]

async function passOn(request: IncomingMessage, url: string): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const method = request.method ?? 'GET'
  const answer = await fetch(url, method === 'GET' ? {} : { method, body: Buffer.concat(chunks) })
  return await answer.text()
}
