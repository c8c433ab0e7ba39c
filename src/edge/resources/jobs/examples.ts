/** A job as examples show it. */
export const exampleJob = {
  id: 'welcome-alice',
  type: 'http',
  state: 'waiting',
  attempts: 0,
  maxAttempts: 5,
  progress: 0,
  key: null,
  priority: 0,
  createdAt: 1_790_000_000_000,
  changedAt: 1_790_000_000_000,
  runAt: null,
  note: '',
  result: null,
  after: [],
} as const
