/** A system that runs three steps one after the other, each a post to an endpoint, and forgets no step when it is killed. */
export interface Side {
  readonly what: string
  /** Runs, `lanes` starts under way at once, each of three steps; resolves when the last step of the last has been made. */
  readonly runs: (count: number, lanes: number) => Promise<void>
  /** From before a start until its first step reaches the endpoint, one after the other, in milliseconds. */
  readonly starts: (samples: number) => Promise<number[]>
  readonly stop: () => Promise<void>
}

export const stepsOfRun = 3
