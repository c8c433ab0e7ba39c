/**
 * Why an endpoint gave no answer, from the error of the runtime, which has one opaque text for every address it does not
 * connect to.
 */
export function unreachableReason(reason: string): string {
  if (/^internal error\b/.test(reason)) return 'its name has no address, or none that is public'
  if (/^Network connection lost\b/.test(reason)) return 'the connection was refused or lost, or TLS failed'
  return reason
}
