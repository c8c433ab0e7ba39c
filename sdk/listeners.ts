/** Something that can be listened to: one kind of event, any number of listeners. */
export class Listeners<Event> {
  readonly #all = new Set<(event: Event) => void>()

  /** Calls `listener` with all events from now on; the answer ends that. */
  listen(listener: (event: Event) => void): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  /** Calls every listener. */
  tell(event: Event): void {
    for (const listener of this.#all) listener(event)
  }
}
