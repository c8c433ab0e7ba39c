import { describe, expect, test } from 'vitest'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import { conversationName, sendPayload } from '../../src/protocol/payloads.ts'
import { plainSend } from '../../src/conversations/commands/send-message.ts'
import { cutText, repairedText } from '../../src/kernel/text-transforms.ts'

const [lre, pdf, rlo, lri, fsi, pdi] = ['\u202a', '\u202c', '\u202e', '\u2066', '\u2068', '\u2069']

/** The text of a message as the server takes it, or why it does not. */
function taken(text: string): string {
  const content = { conversation: 'lunch', clientId: 'c1', text }
  const plain = plainSend(content)
  const read = readGiven(sendPayload, new GivenJson(content, JSON.stringify(content)))
  if (plain !== undefined) expect(plain.text).toBe(read.data?.text)
  return read.success ? read.data.text : `refused: ${read.error.issues[0]?.message}`
}

function attachmentNamed(name: string): boolean {
  const attachments = [{ type: 'image/png', url: 'https://files.example.com/a', name }]
  const content = { conversation: 'lunch', clientId: 'c1', text: 'x', attachments }
  return readGiven(sendPayload, new GivenJson(content, JSON.stringify(content))).success
}

const named = (name: string) => conversationName.safeParse(name).success

describe('the text of a message', () => {
  test('has its CRLF and CR taken as LF', () => {
    expect(taken('a\r\nb\rc\n')).toBe('a\nb\nc\n')
  })

  test('may hold isolates and embeddings that are closed in their line', () => {
    for (const good of [`hi ${fsi}Dana${pdi}!`, `${lri}a${fsi}b${pdi}${pdi}`, `${lre}a${pdf}`])
      expect(taken(good)).toBe(good)
  })

  test.each([
    ['an override', `a${rlo}b${pdf}`],
    ['an isolate that is not closed', `a${fsi}b`],
    ['an isolate that is closed in another line', `a${fsi}b\nc${pdi}`],
    ['an end without a beginning', `a${pdi}b`],
    ['ends in the wrong order', `${fsi}${lre}a${pdi}${pdf}`],
    ['NUL', 'a\u0000b'],
    ['a lone surrogate', 'a\ud83d'],
  ])('is refused with %s', (_, bad) => expect(taken(bad)).toMatch(/^refused: /))

  test.each(['\u200b', '\u2060', '\u00ad', '\u2800', '\u3164', ' \n\u200b\ufe0f\t', `${fsi}${pdi}`, '\u0085'])(
    'that shows nothing is empty: %j',
    (blank) => {
      expect(taken(blank)).toBe('refused: must not be empty')
      expect(named(blank)).toBe(false)
      expect(attachmentNamed(blank)).toBe(false)
    },
  )

  test('may hold characters that show nothing beside others', () => {
    for (const good of ['👨‍👩‍👧', 'نمی‌خواهم', 'co\u00adoperate', '.']) expect(taken(good)).toBe(good)
  })
})

test('names of conversations and of attachments are held to the same rules, on one line', () => {
  for (const good of [`Team ${fsi}דנה${pdi}`, 'Zoë 👩‍🍳'])
    expect([named(good), attachmentNamed(good)]).toEqual([true, true])
  for (const bad of [`invoice${rlo}gpj.exe`, 'a\u0000b', `a${fsi}b`, 'a\nb', 'a\tb', 'a\ud83d'])
    expect([named(bad), attachmentNamed(bad)]).toEqual([false, false])
})

describe('a text that is cut', () => {
  test('ends between two characters as readers see them', () => {
    expect(cutText('short', 140)).toBe('short')
    expect(cutText(`${'x'.repeat(137)}👨‍👩‍👧 and more`, 140)).toBe('x'.repeat(137))
    expect(cutText(`${'x'.repeat(139)}😀`, 140)).toBe('x'.repeat(139))
    expect(cutText(`${'x'.repeat(139)}e\u0301 more`, 140)).toBe('x'.repeat(139))
    expect(cutText(`${'x'.repeat(132)}👨‍👩‍👧 and more`, 140)).toBe(`${'x'.repeat(132)}👨‍👩‍👧`)
  })

  test('is well-formed and not empty also where one character is longer than the space', () => {
    const endless = `e${'\u0301'.repeat(500)}`
    expect(cutText(endless, 140)).toBe(endless.slice(0, 140))
    expect(cutText(`😀${'\u{1F3FB}'.repeat(200)}`, 139)).toMatch(/^\P{Surrogate}+$/u)
  })
})

test('typed text loses only what would be refused', () => {
  expect(repairedText(`a\r\nb${rlo}c\u0000 ${fsi}Dana${pdi} ${pdi}${lri}x`)).toBe(`a\nbc ${fsi}Dana${pdi} x`)
})
