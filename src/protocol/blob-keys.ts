/** The key of a file. All keys of a tenant begin with its id and a slash, and all of a conversation with its id after that. */
export const blobKey = (tenant: string, conversation: string, upload: string): string =>
  `${tenant}/${conversation}/${upload}`

/** How the keys of a tenant begin. */
export const blobPrefix = (tenant: string): string => `${tenant}/`
