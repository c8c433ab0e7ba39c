import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { formatFloat, parseFloat64 } from './engine/numbers.ts'
import type { Keyspace } from './engine/keyspace.ts'
import { SortedSet } from './engine/sorted-set.ts'
import type { Value } from './engine/value.ts'

/*
 * The snapshot file: JSON, readable by eye. Byte strings are written one character per byte, and scores as text because
 * JSON has no infinity.
 */

const pair = z.tuple([z.string(), z.string()])
const storedValue = z.discriminatedUnion('type', [
  z.object({ type: z.literal('string'), bytes: z.string() }),
  z.object({ type: z.literal('hash'), fields: z.array(pair) }),
  z.object({ type: z.literal('list'), items: z.array(z.string()) }),
  z.object({ type: z.literal('set'), members: z.array(z.string()) }),
  z.object({ type: z.literal('zset'), members: z.array(pair) }),
])
const storedFile = z.object({
  format: z.literal('upstash-stand-in'),
  version: z.literal(1),
  keys: z.array(z.object({ key: z.string(), expiresAt: z.number().optional(), value: storedValue })),
})

type StoredValue = z.infer<typeof storedValue>

/** The living keys as the text of a snapshot file. */
export function writeSnapshot(db: Keyspace): string {
  const keys = db.living().map(([key, { value, expiresAt }]) => ({ key, expiresAt, value: toStored(value) }))
  return JSON.stringify({ format: 'upstash-stand-in', version: 1, keys })
}

/** The file holds something else than a snapshot of this version, or half of one. */
export class DamagedSnapshot extends Error {}

/** Puts the keys of a snapshot file back; a missing file is an empty database. Throws {@link DamagedSnapshot}. */
export async function restoreSnapshot(db: Keyspace, file: string): Promise<void> {
  const text = await readIfThere(file)
  if (text === undefined) return
  for (const { key, value, expiresAt } of parse(text, file)) db.put(key, fromStored(value), expiresAt)
}

function parse(text: string, file: string) {
  try {
    return storedFile.parse(JSON.parse(text)).keys
  } catch (cause) {
    throw new DamagedSnapshot(`${file} is not a Redis snapshot of this version`, { cause })
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function toStored(value: Value): StoredValue {
  switch (value.type) {
    case 'string':
      return value
    case 'list':
      return value
    case 'hash':
      return { type: 'hash', fields: [...value.fields] }
    case 'set':
      return { type: 'set', members: [...value.members] }
    case 'zset':
      return { type: 'zset', members: value.members.list().map(({ member, score }) => [member, formatFloat(score)]) }
  }
}

function fromStored(value: StoredValue): Value {
  switch (value.type) {
    case 'string':
      return value
    case 'list':
      return value
    case 'hash':
      return { type: 'hash', fields: new Map(value.fields) }
    case 'set':
      return { type: 'set', members: new Set(value.members) }
    case 'zset':
      return { type: 'zset', members: SortedSet.from(value.members.map(toScored)) }
  }
}

const toScored = ([member, score]: [string, string]) => ({ member, score: parseFloat64(score) })
