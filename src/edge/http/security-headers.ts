/**
 * Headers of every answer of an operation. They are those of hono/secure-headers, which all other answers have, without the
 * six that concern documents and plug-ins only: an answer here is data.
 */
export const securityHeaders = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=15552000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'SAMEORIGIN',
} as const
