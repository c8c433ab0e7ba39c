// The upstream of both sides: a small JSON answer.
import { createServer } from 'node:http'

const body = JSON.stringify({ items: Array.from({ length: 10 }, (_, n) => ({ id: n, name: `item ${n}` })) })
createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
