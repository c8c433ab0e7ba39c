import type { Command } from '../protocol/commands.ts'
import { sizes } from '../protocol/limits.ts'

/** How much may wait for the answer to a connect: frames that came behind it. */
export const earlyBytes = 4 * sizes.frameBytes

/** The commands of one connection that came before its connect was answered, in order. */
export class EarlyCommands {
  readonly commands: Command[] = []
  #bytes = 0

  /** Counts a further frame; false when more came than may wait. */
  admits(frameBytes: number): boolean {
    this.#bytes += frameBytes
    return this.#bytes <= earlyBytes
  }
}
