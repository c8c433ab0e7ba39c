/** The chat page as the build writes it (local/build.ts): one HTML text and the hashes its policy needs. */
declare module '*/web/dist/page.js' {
  const page: { readonly html: string; readonly etag: string; readonly scriptHash: string; readonly styleHash: string }
  export default page
}
