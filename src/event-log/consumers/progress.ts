/**
 * What a consumer did with an event: `filtered` is none of its events, `skipped` lies before where it began or continued after a seek,
 * `passed` is settled and no longer in the topic, so that its condition cannot be evaluated.
 */
export const progressStates = [
  'acknowledged',
  'handed-out',
  'pending',
  'retrying',
  'dead',
  'filtered',
  'skipped',
  'passed',
] as const
export type ProgressState = (typeof progressStates)[number]
