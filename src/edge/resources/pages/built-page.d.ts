/** The chat page as the build writes it (local/build.ts): one HTML text and the hashes its policy needs. */
declare module '*/web/dist/page.js' {
  const page: { readonly html: string; readonly etag: string; readonly scriptHash: string; readonly styleHash: string }
  export default page
}

/** The script and style of the API reference as the build writes them: compressed with gzip, in base64. */
declare module '*/web/dist/reference.js' {
  interface Asset {
    readonly gzip: string
    readonly etag: string
  }
  const reference: { readonly script: Asset; readonly style: Asset }
  export default reference
}

/** The pages of docs/ as the build writes them: their Markdown compressed with gzip, in base64. */
declare module '*/web/dist/guides.js' {
  const guides: readonly {
    readonly name: string
    readonly title: string
    readonly summary: string
    readonly gzip: string
  }[]
  export default guides
}
