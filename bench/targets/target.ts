import type { Acknowledged } from '../load/acks.ts'
import type { Tally } from '../load/tally.ts'
import type { Processes } from '../processes.ts'

/** The names of what can be measured, in the order of the table. */
export const targetNames = ['parley', 'bare', 'glued'] as const
export type TargetName = (typeof targetNames)[number]

/** Something to measure: how it is started, and how one talks to it. */
export interface Target {
  readonly name: TargetName
  /** One line for the report. */
  readonly what: string
  /** Why it cannot run here, if so. */
  missing(): Promise<string | undefined>
  /** Starts it with all its data under `directory`. */
  start(directory: string, processes: Processes): Promise<Running>
}

/** A server that is up. */
export interface Running {
  /** Where its WebSocket lives. */
  readonly url: string
  /** What an acknowledged message has survived by then. */
  readonly durability: string
  /** What it is built from. */
  readonly versions: Record<string, string>
  stop(): Promise<void>
}

/** The client half of a target; runs in the process of the load. */
export interface Wire {
  /** Makes a conversation all these users belong to; returns its name. */
  createConversation(reach: Reach, users: readonly string[]): Promise<string>
  /** Connects a user and subscribes them to the conversation. */
  join(reach: Reach, conversation: string, user: string, onLost: (reason: string) => void): Promise<Member>
}

/** How the load reaches a target. */
export interface Reach {
  url: string
  apiKey: string
  offerDeflate: boolean
}

/** A connected user in a conversation. */
export interface Member {
  /** The messages this user has received. */
  readonly received: Tally
  send(text: string, done: Acknowledged): void
  close(): void
}
