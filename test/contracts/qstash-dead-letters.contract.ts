import { expect, test } from 'vitest'
import type { Bench } from './qstash-target.ts'

/** What becomes of messages nobody would take. */
export function deadLetterContract(given: () => Bench): void {
  /** Waits for the letter of a message. */
  const letterOf = async (bench: Bench, messageId: string) =>
    bench.eventually(async () => {
      const { messages } = await bench.client.dlq.listMessages({ filter: { messageId } })
      const [letter] = messages
      if (letter === undefined) throw new Error(`no dead letter of ${messageId}`)
      return letter
    })

  test('after the last retry a message is dead, and the failure callback says which', async () => {
    const bench = given()
    const failureCallback = bench.hooks.open()
    const hook = bench.hooks.open(() => ({ status: 500, body: 'broken' }))
    const { messageId } = await bench.client.publish({
      url: hook.url,
      body: 'doomed',
      retries: 1,
      retryDelay: '1000',
      failureCallback: failureCallback.url,
    })

    const letter = await letterOf(bench, messageId)
    expect(letter).toMatchObject({ url: hook.url, body: 'doomed', responseStatus: 500, responseBody: 'broken' })
    expect(hook.deliveries).toHaveLength(2)
    const told = await bench.delivery(failureCallback)
    await bench.verify(told, failureCallback.url)
    expect(JSON.parse(told.body.toString())).toMatchObject({
      status: 500,
      retried: 1,
      maxRetries: 1,
      sourceMessageId: messageId,
      dlqId: letter.dlqId,
    })
    await bench.client.dlq.delete(letter.dlqId)
  })

  test('489 with Upstash-NonRetryable-Error kills a message at its first attempt', async () => {
    const bench = given()
    const hook = bench.hooks.open(() => ({ status: 489, header: { 'Upstash-NonRetryable-Error': 'true' } }))
    const { messageId } = await bench.client.publish({ url: hook.url, retries: 3, retryDelay: '1000' })

    const letter = await letterOf(bench, messageId)
    expect(letter.responseStatus).toBe(489)
    expect(hook.deliveries).toHaveLength(1)
    await bench.client.dlq.delete(letter.dlqId)
  })

  test('a dead letter is sent anew under a new id, and leaves the queue of the dead', async () => {
    const bench = given()
    const hook = bench.hooks.open((_, nth) => ({ status: nth === 0 ? 500 : 200 }))
    const { messageId } = await bench.client.publish({ url: hook.url, body: 'revived', retries: 0 })

    const letter = await letterOf(bench, messageId)
    const { responses } = await bench.client.dlq.retry(letter.dlqId)
    const delivery = await bench.delivery(hook, 2)
    expect(delivery.body.toString()).toBe('revived')
    expect(delivery.header['upstash-message-id']).toBe(responses[0]?.messageId)
    expect(responses[0]?.messageId).not.toBe(messageId)
    expect((await bench.client.dlq.listMessages({ filter: { messageId } })).messages).toEqual([])
  })

  test('dead letters are listed page by page and deleted, one or many', async () => {
    const bench = given()
    const label = bench.name('dead')
    const hook = bench.hooks.open(() => ({ status: 500 }))
    await bench.client.batch(Array.from({ length: 3 }, () => ({ url: hook.url, retries: 0, label })))
    const letters = await bench.eventually(async () => {
      const { messages } = await bench.client.dlq.listMessages({ filter: { label } })
      expect(messages).toHaveLength(3)
      return messages
    })

    const first = await bench.client.dlq.listMessages({ count: 2, filter: { label } })
    const second = await bench.client.dlq.listMessages({ count: 2, filter: { label }, cursor: first.cursor ?? '' })
    const paged = [...first.messages, ...second.messages].map(({ dlqId }) => dlqId)
    expect(paged.toSorted()).toEqual(letters.map(({ dlqId }) => dlqId).toSorted())

    await bench.client.dlq.delete(paged[0] ?? '')
    expect(await bench.client.dlq.delete(paged.slice(1))).toMatchObject({ deleted: 2 })
    await expect(bench.client.dlq.delete(paged[0] ?? '')).rejects.toMatchObject({ status: 404 })
  })
}
