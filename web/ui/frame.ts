/**
 * Draws at most once per frame, however often it is asked to. A hidden tab has no frames,
 * but its title still counts unread messages: there it draws a little later instead.
 */
export function oncePerFrame(draw: () => void): () => void {
  let asked = false
  const run = () => {
    if (!asked) return
    asked = false
    draw()
  }
  document.addEventListener('visibilitychange', run)
  return () => {
    if (asked) return
    asked = true
    if (document.hidden) setTimeout(run, 100)
    else requestAnimationFrame(run)
  }
}
