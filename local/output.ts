/**
 * Keeps the process alive when its own output cannot be written: on a full disk a log line fails with ENOSPC, behind a
 * closed pipe with EPIPE, and Node ends a process whose stdout or stderr fails unheard. The lines are lost.
 */
export function surviveLostOutput(): void {
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore)
}

function ignore(): void {}
