/** Actors opened in this isolate since it began: a number, which requests may share. */
let opened = 0

/** A topic or a limiter was opened here: its file was made or opened in this thread. */
export const noteOpenedActor = (): void => void opened++

export const openedActors = (): number => opened
