import { describe, expect, test } from 'vitest'
import { commandBy } from '../support/conversation-command.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

const reader = { user: 'bob', client: '', server: false }

/** A conversation that has just woken, with `count` messages. */
async function woken(count: number) {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'alice', count)
  const conversation = tenant.actorOf(lunch)
  await putToSleep(conversation)
  const seqs = async (limit: number) => {
    const page = await conversation.history(reader, { limit, reverse: true })
    if (page.kind !== 'page') throw new Error(page.error)
    return page.publications.map(({ offset, data }) => [offset, JSON.parse(data).text])
  }
  return { tenant, lunch, conversation, seqs }
}

async function amended(conversation: ReturnType<TestTenant['actorOf']>) {
  const page = await conversation.history(reader, { limit: 10, reverse: true })
  return page.kind === 'page' ? page.amendments.map(({ ref }) => ref) : page.error
}

describe('entries that a conversation read once after waking are read the same again', () => {
  test('a shorter page, the same, and a longer one', async () => {
    const { seqs } = await woken(9)
    for (const limit of [3, 2, 3, 5, 4, 9, 300]) expect(await seqs(limit)).toHaveLength(Math.min(limit, 9))
    const whole = await seqs(9)
    expect(whole.map(([seq]) => seq)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1])
    expect(await seqs(4)).toEqual(whole.slice(0, 4))
  })

  test('with what was said since, and without the words of what was deleted', async () => {
    const { tenant, lunch, conversation, seqs } = await woken(4)
    await seqs(3)
    expect(await amended(conversation)).toEqual([])
    await tenant.post(lunch, 'alice', 'five')
    const remove = commandBy('message.delete', { user: 'alice' }, { seq: 3 })
    await conversation.execute({ gateway: null, have: null, commands: [remove] })
    const page = await seqs(4)
    expect(await amended(conversation)).toEqual([3])
    await putToSleep(conversation)
    expect(await amended(conversation)).toEqual([3])
    expect(page.map(([seq]) => seq)).toEqual([6, 5, 4, 3])
    expect(page[1]).toEqual([5, 'five'])
    expect(page[3]).toEqual([3, undefined])
    expect(await seqs(6)).toHaveLength(6)
  })
})
