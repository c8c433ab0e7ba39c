/** The log of one conversation; a conversation that is created again under its id has another epoch. */
export interface LogOf {
  readonly tenant: string
  readonly conversation: string
  readonly epoch: string
}

/** A page of a hundred entries of a log, with the revision of the log's old pages. */
export interface PageOf {
  readonly page: number
  readonly revision: number
}
