import { expect, test } from 'vitest'
import type { ConversationActivity, DeletedConversation } from '../../src/events/activity.ts'
import { Rows, shardWriter, tenant } from './neighbours.ts'
import { Setting } from './setting.ts'

/** A conversation beside an Activity actor that fails as often as `failures` says. */
async function scene(failures: { forget: number }) {
  const calls: string[] = []
  class Activity {
    advance = async ({ conversation, version, epoch }: ConversationActivity): Promise<void> => {
      calls.push(
        `${conversation} ${version} ${epochs.indexOf(epoch) === -1 ? epochs.push(epoch) : 1 + epochs.indexOf(epoch)}`,
      )
    }
    forget = async ({ conversation, version }: DeletedConversation): Promise<void> => {
      if (failures.forget-- > 0) throw new Error('it does not know this method')
      calls.push(`${conversation} ${version} deleted`)
    }
  }
  const epochs: string[] = []
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()), Activity })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const wanted = { tenant, id: 'lunch', type: 'direct', name: '', members: ['alice', 'bob'], createdBy: 'alice' }
  const create = async () => await setting.call('Conversation', `${tenant}/lunch`, 'create', wanted)
  const remove = async () => {
    const command = { kind: 'command', name: 'conversation.delete', input: { conversation: 'lunch' } }
    const commands = [{ ...command, user: '', client: '', server: true }]
    await setting.call('Conversation', `${tenant}/lunch`, 'execute', { gateway: null, have: null, commands })
  }
  const minutes = async (count: number) => {
    for (let n = 0; n < 2 * count; n++) await setting.pass(30_000)
  }
  return { setting, calls, create, remove, minutes }
}

test('a deleted conversation says so once, after failures and the loss of its memory, and again when one of the same id is deleted', async () => {
  const { setting, calls, create, remove, minutes } = await scene({ forget: 2 })
  await create()
  await setting.pass(30_000)
  expect(calls).toEqual(['lunch 1 1'])
  await remove()
  setting.world.host('Conversation', `${tenant}/lunch`).crash(100)
  await minutes(5)
  expect(calls).toEqual(['lunch 1 1', 'lunch 2 deleted'])
  setting.world.host('Conversation', `${tenant}/lunch`).crash(100)
  await minutes(5)
  expect(calls).toHaveLength(2)

  await create()
  await setting.pass(30_000)
  await remove()
  await minutes(1)
  expect(calls.slice(2)).toEqual(['lunch 3 2', 'lunch 4 deleted'])
  setting.close()
})
