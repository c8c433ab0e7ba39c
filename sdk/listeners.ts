/** Something that can be listened to: one kind of news, any number of listeners. */
export class Listeners<News> {
  readonly #all = new Set<(news: News) => void>()

  /** Calls `listener` with all news from now on; the answer ends that. */
  listen(listener: (news: News) => void): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  /** Tells everyone who listens. */
  tell(news: News): void {
    for (const listener of this.#all) listener(news)
  }
}
