import type { ReadRequest } from './reading.ts'
import type { ReadingName } from './reading.ts'

/** One way to ask a side: where, and what a wish reads as there. */
export interface Way {
  readonly over: 'http' | 'socket'
  readonly url: string
  ask(reading: ReadingName, request: ReadRequest): string
}

/** Something that holds the messages and can be asked for them. */
export interface Side {
  readonly what: string
  readonly versions: Readonly<Record<string, string>>
  token(user: string): Promise<string>
  stop(): Promise<void>
}
