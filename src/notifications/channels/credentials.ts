/** What the credentials of a provider are encrypted for: they cannot be used for another tenant or provider. */
export const credentialsContext = (tenant: string, provider: string): string =>
  `notification-provider/${tenant}/${provider}`
