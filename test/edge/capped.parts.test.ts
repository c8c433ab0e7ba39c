import { describe, expect, test } from 'vitest'
import { cappedBody } from '../../src/edge/http/capped.ts'

const cap = 10
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A body that comes in pieces and does not say how long it is; tells how many of them were taken. */
function pieces(...parts: readonly string[]) {
  const left = [...parts]
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = left.shift()
      if (part === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(part))
    },
  })
  const request = new Request('http://parley/', Object.assign({ method: 'POST', body }, { duplex: 'half' }))
  return { request, taken: () => parts.length - left.length }
}

const declaring = (length: string, body: string) =>
  new Request('http://parley/', { method: 'POST', body, headers: { 'content-length': length } })

describe('a body is read up to its cap', () => {
  test('in pieces', async () => {
    expect(text(await cappedBody(pieces('12345', '67890').request, cap))).toBe('1234567890')
    expect(await cappedBody(pieces().request, cap)).toHaveLength(0)
  })

  test('in pieces, and no further', async () => {
    const { request, taken } = pieces('123456', '78901', '2', '3', '4', '5')
    await expect(cappedBody(request, cap)).rejects.toThrow('at most 10 bytes')
    expect(taken()).toBeLessThan(6)
  })

  test('at once, when it says how long it is', async () => {
    expect(text(await cappedBody(declaring('10', '1234567890'), cap))).toBe('1234567890')
    await expect(cappedBody(declaring('11', '12345678901'), cap)).rejects.toThrow('at most 10 bytes')
  })

  test('whatever it says', async () => {
    await expect(cappedBody(declaring('3', '12345678901'), cap)).rejects.toThrow('at most 10 bytes')
    expect(text(await cappedBody(declaring('three', '123'), cap))).toBe('123')
  })
})
