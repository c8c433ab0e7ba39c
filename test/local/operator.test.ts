import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Operator } from '../../local/operator.ts'

let answer = ''
const server = createServer((_, response) => response.writeHead(400).end(answer))
let url = ''

beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
})
afterAll(() => void server.close())

test('a refused command of the operator is explained by title, detail and request, not by JSON', async () => {
  answer = JSON.stringify({
    type: '/docs/errors#invalid-request',
    title: 'Invalid request',
    status: 400,
    detail: 'to: must be a registered shard, got "s9"',
    requestId: 'r-1',
  })
  await expect(new Operator(url, 'key').shards()).rejects.toThrow(
    'GET /admin/v1/shards failed with 400: Invalid request. to: must be a registered shard, got "s9" (request r-1)',
  )
  answer = 'Bad gateway'
  await expect(new Operator(url, 'key').shards()).rejects.toThrow('failed with 400: Bad gateway')
})
