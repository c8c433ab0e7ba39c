/** What the tab keeps where the browser blocks site data: until the page is closed. */
const memory = new Map<string, string>()

/** Text that this tab keeps over a reload. Where the browser blocks site data it lasts as long as the page. */
export const tabStorage = {
  get(key: string): string | undefined {
    try {
      return sessionStorage.getItem(key) ?? memory.get(key)
    } catch {
      return memory.get(key)
    }
  },

  set(key: string, value: string): void {
    try {
      sessionStorage.setItem(key, value)
    } catch {
      memory.set(key, value)
    }
  },

  remove(key: string): void {
    memory.delete(key)
    try {
      sessionStorage.removeItem(key)
    } catch {
      // Blocked: nothing is there.
    }
  },
}
