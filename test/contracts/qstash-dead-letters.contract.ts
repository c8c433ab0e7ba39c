import { expect, test } from 'vitest'
import type { Bench } from './qstash-target.ts'

/** Messages that failed after their last retry. */
export function deadLetterContract(given: () => Bench): void {
  /** Waits for the letter of a message. */
  const letterOf = async (bench: Bench, label: string, messageId: string) =>
    bench.eventually(async () => {
      const { messages } = await bench.client.dlq.listMessages({ filter: { label } })
      const letter = messages.find((letter) => letter.messageId === messageId)
      if (letter === undefined) throw new Error(`no dead letter of ${messageId}`)
      return letter
    })

  test('after its last retry a message becomes a dead letter, and the failure callback names both', async () => {
    const bench = given()
    const label = bench.name('doomed')
    const failureCallback = bench.hooks.open()
    const hook = bench.hooks.open(() => ({ status: 500, body: 'broken' }))
    const { messageId } = await bench.client.publish({
      url: hook.url,
      body: 'doomed',
      retries: 1,
      retryDelay: '1000',
      failureCallback: failureCallback.url,
      label,
    })

    const letter = await letterOf(bench, label, messageId)
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
    await bench.client.dlq.delete([letter.dlqId])
  })

  test('dead letters are listed page by page and deleted by their ids', async () => {
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

    expect(await bench.client.dlq.delete(paged)).toMatchObject({ deleted: 3 })
    expect((await bench.client.dlq.listMessages({ filter: { label } })).messages).toEqual([])
  })
}
