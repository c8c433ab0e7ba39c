/** How many sentences are kept and printed; the rest is counted. */
const maxSentences = 30

/** What went wrong, bounded: a count for each kind, and the first few in words. */
export class Findings {
  readonly #counts = new Map<string, number>()
  readonly sentences: string[] = []

  /** `undefined` is fine: checks return what is wrong, if anything. */
  note(kind: string, what: string | undefined): void {
    if (what === undefined) return
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    if (this.sentences.length >= maxSentences) return
    const sentence = `${kind}: ${what}`
    this.sentences.push(sentence)
    console.error(`  ${new Date().toISOString()} ${sentence}`)
  }

  get count(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  get byKind(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
