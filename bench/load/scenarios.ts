/** The shapes of load that the design sets budgets for. */
export interface Scenario {
  readonly name: ScenarioName
  /** What it says in the report. */
  readonly what: string
  readonly conversations: number
  readonly members: number
  /** How many of a conversation's members write. */
  readonly writers: number
  /** How many unacknowledged messages a writer has under way. */
  readonly inFlight: number
  /**
   * Absent: after the warm-up, while writers send as fast as they are answered. `load`: the same from the first message of
   * the conversation on. `rounds`: every writer sends one message, and the next round begins when all are acknowledged; the
   * conversations are filled and measured one batch of `conversations` after another, `batches` times.
   */
  readonly cold?: 'load' | { readonly rounds: number; readonly batches: number }
  /** Which figures the report shows. */
  readonly shows: readonly Figure[]
}

export const scenarioNames = [
  'one',
  'pairs',
  'room100',
  'room1000',
  'room5000',
  'room10000',
  'cold100',
  'cold1000',
  'coldPairs',
  'coldOne',
] as const
/** What is measured unless more is asked for: the larger conversations take a minute each to fill. */
export const usualScenarios: readonly ScenarioName[] = [
  'one',
  'pairs',
  'room100',
  'room1000',
  'cold100',
  'cold1000',
  'coldPairs',
  'coldOne',
]
export type ScenarioName = (typeof scenarioNames)[number]

/** What can be shown of a measurement. */
export const figureNames = [
  'ackMedianMs',
  'ackP99Ms',
  'ackedPerSecond',
  'deliveriesPerSecond',
  'firstRoundMs',
  'secondRoundMs',
  'thirdRoundMs',
  'fourthRoundMs',
] as const
export type Figure = (typeof figureNames)[number]

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  one: {
    name: 'one',
    what: '2 people, one message at a time',
    conversations: 1,
    members: 2,
    writers: 1,
    inFlight: 1,
    shows: ['ackMedianMs', 'ackP99Ms'],
  },
  pairs: {
    name: 'pairs',
    what: '100 conversations of 2, one of each pair writing, 4 in flight',
    conversations: 100,
    members: 2,
    writers: 1,
    inFlight: 4,
    shows: ['ackedPerSecond'],
  },
  room100: {
    name: 'room100',
    what: 'a conversation of 100, 16 writing, 4 in flight each',
    conversations: 1,
    members: 100,
    writers: 16,
    inFlight: 4,
    shows: ['deliveriesPerSecond', 'ackedPerSecond'],
  },
  room1000: {
    name: 'room1000',
    what: 'a conversation of 1,000, 64 writing, 4 in flight each',
    conversations: 1,
    members: 1_000,
    writers: 64,
    inFlight: 4,
    shows: ['deliveriesPerSecond', 'ackedPerSecond'],
  },
  room5000: {
    name: 'room5000',
    what: 'a conversation of 5,000, 64 writing, 4 in flight each',
    conversations: 1,
    members: 5_000,
    writers: 64,
    inFlight: 4,
    shows: ['deliveriesPerSecond'],
  },
  room10000: {
    name: 'room10000',
    what: 'a conversation of 10,000, 64 writing, 4 in flight each',
    conversations: 1,
    members: 10_000,
    writers: 64,
    inFlight: 4,
    shows: ['deliveriesPerSecond'],
  },
  cold100: {
    name: 'cold100',
    what: 'a fresh conversation of 100, 16 writing, 1 in flight each',
    conversations: 1,
    members: 100,
    writers: 16,
    inFlight: 1,
    cold: 'load',
    shows: ['deliveriesPerSecond', 'ackedPerSecond'],
  },
  cold1000: {
    name: 'cold1000',
    what: 'a fresh conversation of 1,000, 64 writing, 1 in flight each',
    conversations: 1,
    members: 1_000,
    writers: 64,
    inFlight: 1,
    cold: 'load',
    shows: ['deliveriesPerSecond', 'ackedPerSecond'],
  },
  coldPairs: {
    name: 'coldPairs',
    what: '100 fresh conversations of 2, one message in each at once',
    conversations: 100,
    members: 2,
    writers: 1,
    inFlight: 1,
    cold: { rounds: 4, batches: 3 },
    shows: ['firstRoundMs', 'secondRoundMs', 'thirdRoundMs', 'fourthRoundMs'],
  },
  coldOne: {
    name: 'coldOne',
    what: 'one fresh conversation of 2, one message at a time',
    conversations: 1,
    members: 2,
    writers: 1,
    inFlight: 1,
    cold: { rounds: 4, batches: 20 },
    shows: ['firstRoundMs', 'thirdRoundMs'],
  },
}
