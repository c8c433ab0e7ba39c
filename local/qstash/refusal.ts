/** A request this service declines; the server turns it into `{"error": message}` with `status`. */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
  }
}

/** The thing named does not exist, or no longer does. */
export const notFound = (what: string) => new Refusal(404, `${what} not found`)

/** The request itself is wrong; `why` names the part. */
export const badRequest = (why: string) => new Refusal(400, why)

const validName = /^[\w.-]+$/

/** Names of queues, URL groups and schedules: letters, digits, hyphen, underscore, period. */
export function checkName(kind: string, name: string): string {
  if (validName.test(name)) return name
  throw badRequest(`${kind} can only contain alphanumeric characters, hyphens, periods and underscores`)
}
