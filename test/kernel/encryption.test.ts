import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decrypt, encrypt, encryptionKeyOf, readEncryptionKeys } from '../../src/kernel/encryption.ts'

const base64 = (byte: number) => Buffer.alloc(32, byte).toString('base64')
const [one, two] = [`k1:${base64(1)}`, `k2:${base64(250)}`]
const keys = readEncryptionKeys(one)

describe('an encrypted text', () => {
  test('is decrypted to the same text, and contains the id of its key and not the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 4 }), fc.string(), async (text, context) => {
        const encrypted = await encrypt(keys, text, context)
        expect(encryptionKeyOf(encrypted)).toBe('k1')
        expect(encrypted).not.toContain(text)
        expect(await decrypt(keys, encrypted, context)).toBe(text)
      }),
      { numRuns: 50 },
    )
  })

  test('differs each time, so that equal texts cannot be recognised', async () => {
    expect(await encrypt(keys, 'same', 'x')).not.toBe(await encrypt(keys, 'same', 'x'))
  })

  test('cannot be decrypted for another thing, nor when any part of it was changed', async () => {
    const encrypted = await encrypt(keys, 'postgresql://secret', 'connection of shard a')
    await expect(decrypt(keys, encrypted, 'connection of shard b')).rejects.toThrow(/connection of shard b.*changed/)
    for (let at = 0; at < encrypted.length; at++) {
      // The last character of base64 has bits that belong to no byte.
      if (encrypted[at] === '.' || at === encrypted.length - 1 || encrypted[at + 1] === '.') continue
      const changed = encrypted.slice(0, at) + (encrypted[at] === 'A' ? 'B' : 'A') + encrypted.slice(at + 1)
      await expect(decrypt(keys, changed, 'connection of shard a')).rejects.toThrow()
    }
  })

  test('stays readable while keys rotate, and afterwards names the key that is missing', async () => {
    const old = await encrypt(keys, 'text', 'x')
    const rotating = readEncryptionKeys(`${two},${one}`)
    expect(await decrypt(rotating, old, 'x')).toBe('text')
    const anew = await encrypt(rotating, 'text', 'x')
    expect(encryptionKeyOf(anew)).toBe('k2')
    const rotated = readEncryptionKeys(two)
    expect(await decrypt(rotated, anew, 'x')).toBe('text')
    await expect(decrypt(rotated, old, 'x')).rejects.toThrow('ENCRYPTION_KEYS has no key "k1"')
  })

  test('is refused by another key of the same id', async () => {
    const encrypted = await encrypt(keys, 'text', 'x')
    const other = readEncryptionKeys(`k1:${base64(9)}`)
    await expect(decrypt(other, encrypted, 'x')).rejects.toThrow('key "k1" of ENCRYPTION_KEYS is not the one')
  })

  test('without a key cannot be made', async () => {
    await expect(encrypt([], 'text', 'x')).rejects.toThrow('ENCRYPTION_KEYS is not set')
  })
})

test.each([
  ['', /key 1: write <id>:/],
  ['k1', /key 1: write <id>:/],
  [`k1:${base64(1).slice(4)}`, /key "k1": 32 bytes in base64, got 29/],
  [`${one},k2:short`, /key "k2": 32 bytes/],
  [`${one},${one}`, /ids of the two keys must differ/],
  [`${one},${two},k3:${base64(3)}`, /at most two keys, got 3/],
])('keys that are malformed are refused with what is wrong: %s', (text, reason) => {
  expect(() => readEncryptionKeys(text)).toThrow(reason)
  expect(() => readEncryptionKeys(text)).not.toThrow(base64(1))
})

test('keys may be written in base64 or base64url', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  for (const encoding of ['base64', 'base64url'] as const)
    expect(readEncryptionKeys(`k:${bytes.toString(encoding)}`)[0]?.bytes).toEqual(new Uint8Array(bytes))
})
