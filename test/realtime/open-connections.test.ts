import { expect, test, vi } from 'vitest'
import { connectionsWithin } from '../../local/descriptors.ts'
import { OpenConnections } from '../../src/realtime/open-connections.ts'

test('a connection counts until it is ended, which is done once', () => {
  const connections = new OpenConnections()
  const cut = vi.fn<() => void>()
  connections.open('a', 'enam/0', cut)
  expect(connections.count).toBe(1)
  connections.end('a')
  connections.end('a')
  connections.end('never was')
  expect([connections.count, cut.mock.calls.length]).toEqual([0, 1])
})

test('a gateway that starts anew ends the connections it has no session for, and none that is on its way to it', () => {
  const connections = new OpenConnections()
  const ended: string[] = []
  for (const id of ['lost', 'restored', 'coming']) connections.open(id, 'enam/0', () => void ended.push(id))
  connections.open('elsewhere', 'weur/0', () => void ended.push('elsewhere'))
  for (const id of ['lost', 'restored', 'elsewhere']) connections.held(id)
  connections.keepOnly('enam/0', new Set(['restored']))
  expect(ended).toEqual(['lost'])
})

test('clients get half of the open files, and each takes two', () => {
  expect([connectionsWithin(20_000), connectionsWithin(1024), connectionsWithin(3)]).toEqual([5000, 256, 1])
})
