/** The caller's address as the platform saw it; an IPv6 customer owns a whole /64. */
export function networkOf(address = 'local'): string {
  if (!address.includes(':')) return address
  // An IPv4 caller seen by an IPv6 socket, ::ffff:203.0.113.7.
  return address.includes('.') ? address.slice(address.lastIndexOf(':') + 1) : firstHalf(address)
}

/** The first four groups of an IPv6 address, however it was shortened. */
function firstHalf(address: string): string {
  const [head = '', tail] = address.toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...missing, ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
