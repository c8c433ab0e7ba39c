import type { Command, CommandKind } from './commands.ts'
import { tokenLength } from './limits.ts'

type Request<K extends CommandKind> = Extract<Command, { kind: K }>['request']

/**
 * What returns by the thousand when connections are lost: recognised without their schemas, which take as long as all else that
 * the gateway does to read them. Each returns what its schema would, or undefined where the schema has to look.
 */
export const plainReaders: Partial<Record<CommandKind, (value: unknown) => object | undefined>> = {
  connect: plainConnect,
  subscribe: plainSubscribe,
}

function plainConnect(value: unknown): Request<'connect'> | undefined {
  if (!isRecord(value)) return undefined
  const { token = '', name = '', version = '', subs = {} } = value
  if (!isText(token, tokenLength) || !isText(name, 64) || !isText(version, 64) || !isRecord(subs)) return undefined
  const positions: Record<string, ReturnType<typeof positionIn> & object> = {}
  for (const channel of Object.keys(subs)) {
    const position = positionIn(subs[channel])
    if (position === undefined || channel.length > 255 || channel === '__proto__') return undefined
    positions[channel] = position
  }
  return { token, subs: positions, name, version }
}

function plainSubscribe(value: unknown): Request<'subscribe'> | undefined {
  const position = positionIn(value)
  if (position === undefined || !isRecord(value)) return undefined
  const { channel, token = '', join_leave = false, flag = 0, type = 0 } = value
  if (typeof channel !== 'string' || !isText(token, tokenLength) || typeof join_leave !== 'boolean') return undefined
  if (!isCount(flag) || type !== 0 || value['tf'] !== undefined) return undefined
  return { channel, token, ...position, join_leave, flag, type }
}

function positionIn(value: unknown): { recover: boolean; offset: number; epoch: string } | undefined {
  if (!isRecord(value)) return undefined
  const { recover = false, offset = 0, epoch = '' } = value
  if (typeof recover !== 'boolean' || !isCount(offset) || !isText(epoch, 64)) return undefined
  return { recover, offset, epoch }
}

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.length <= longest

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
