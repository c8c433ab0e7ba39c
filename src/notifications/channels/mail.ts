import { z } from 'zod'
import { Unsendable, type Message } from './provider.ts'

/** An e-mail address as providers take it: `local@domain`, without comments, quotes or control characters (RFC 5321 §4.1.2, the usual part). */
export const emailPattern =
  /^[^\s@<>()[\]\\,;:"\p{Cc}]{1,64}@(?=.{1,253}$)(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,63}$/u

/** `name@example.com` or `Name <name@example.com>`, on one line: no header can be added by it. */
export interface Mailbox {
  readonly name: string
  readonly email: string
}

export function readMailbox(text: string): Mailbox | undefined {
  const [, name = '', inside] = /^([^<>\p{Cc}]{0,200})<([^<>\s]+)>$/u.exec(text.trim()) ?? []
  const email = inside ?? text.trim()
  if (!emailPattern.test(email)) return undefined
  return { name: name.trim().replaceAll(/^"|"$/g, '').replaceAll(/["\\]/g, ''), email }
}

/** The mailbox as RFC 5322 §3.4 writes it; a name with other characters than ASCII is an encoded word (RFC 2047). */
export function writeMailbox({ name, email }: Mailbox, encodeName = (text: string) => text): string {
  if (name === '') return email
  return `${/^[\x20-\x7e]*$/.test(name) ? `"${name}"` : encodeName(name)} <${email}>`
}

/** An RFC 2047 encoded word for each 39 bytes at most: one has 75 characters at most. */
export function encodedWords(text: string): string {
  const words: string[] = []
  let part: number[] = []
  const end = () => {
    if (part.length > 0) words.push(`=?UTF-8?B?${btoa(String.fromCharCode(...part))}?=`)
    part = []
  }
  for (const character of text) {
    const bytes = new TextEncoder().encode(character)
    if (part.length + bytes.length > 39) end()
    part.push(...bytes)
  }
  end()
  return words.join('\r\n ')
}

export const mailbox = z
  .string()
  .max(320)
  .refine((text) => readMailbox(text) !== undefined, 'must be name@example.com or Name <name@example.com>')

/** The parts of an e-mail. Throws Unsendable where one is missing or wrong. */
export function mailOf({ to, from, content, headers }: Message) {
  if (typeof to !== 'string' || !emailPattern.test(to)) throw new Unsendable('email: not an e-mail address')
  if (from === undefined) throw new Unsendable('from: the provider has no sender; give `from`')
  const sender = readMailbox(from)
  if (sender === undefined) throw new Unsendable('from: must be name@example.com or Name <name@example.com>')
  const { title, body: text, html } = content
  if (title === undefined || title.trim() === '') throw new Unsendable('title: an e-mail needs a subject')
  return { to, sender, subject: oneLine(title), text, html, headers }
}

/** A text in which no line ends: no header can be added by it. */
export const oneLine = (text: string): string => text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
