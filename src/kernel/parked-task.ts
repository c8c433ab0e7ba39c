/** A task of an actor that is parked, because the process ended twice while it ran. */
export interface ParkedTask {
  /** The actor's name, `<tenant>/<conversation>`. */
  readonly actor: string
  readonly task: string
  /** Runs in a row that ended with their process. */
  readonly lost: number
  /** When it runs again, in milliseconds since the epoch. */
  readonly until: number
}
