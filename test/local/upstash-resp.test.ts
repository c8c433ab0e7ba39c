import { expect, test } from 'vitest'
import { failure, status } from '../../local/upstash/reply.ts'
import { RespParser } from '../../local/upstash/resp/parser.ts'

const stream = Buffer.from(
  '+OK\r\n-ERR no\r\n:42\r\n:9223372036854775807\r\n$5\r\nab\r\nc\r\n$-1\r\n*3\r\n$0\r\n\r\n*1\r\n:1\r\n*-1\r\n$2\r\n\xff\x00\r\n',
  'latin1',
)
const replies = [
  status('OK'),
  failure('ERR no'),
  42,
  9223372036854775807n,
  'ab\r\nc',
  null,
  ['', [1], null],
  '\xff\x00',
]

test('replies are the same however the bytes are cut', () => {
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new RespParser()
    const heard = []
    for (let at = 0; at < stream.length; at += size) heard.push(...parser.push(stream.subarray(at, at + size)))
    expect(heard).toEqual(replies)
  }
})

test('what is not RESP2 is an error rather than a wrong reply', () => {
  expect(() => new RespParser().push(Buffer.from('HTTP/1.1 200 OK\r\n'))).toThrow('not RESP2')
})
