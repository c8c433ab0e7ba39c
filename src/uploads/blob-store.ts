/** Bytes on their way: a stream whose length is known beforehand, so that no store has to hold it in memory. */
export type BlobBody = ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>

/** What a store knows of a blob. */
export interface BlobInfo {
  readonly size: number
  /** The media type that it was stored with. */
  readonly type: string
  /** In quotes, as an ETag header has it. */
  readonly etag: string
}

/** A part of a blob: `length` bytes from `offset`. */
export interface BlobRange {
  readonly offset: number
  readonly length: number
}

/** A blob, or the part of it that was asked for. */
export interface Blob extends BlobInfo {
  readonly body: ReadableStream<Uint8Array>
}

/** A stored part of a blob that is put together later. Parts are numbered from 1. */
export interface BlobPart {
  readonly part: number
  readonly etag: string
}

/**
 * Where bytes are kept, by keys of letters, digits and `/._-`. Every call may be repeated. All but the last part of a blob have the
 * same size, of 5 MiB at least, as R2 and S3 demand.
 */
export interface BlobStore {
  /** Begins a blob, and returns the id that its parts name. */
  begin(key: string, type: string): Promise<string>
  /** Stores a part, or replaces it; returns its etag. */
  putPart(key: string, id: string, part: number, body: BlobBody, size: number): Promise<string>
  /** Makes the blob of its parts. Fails when there are none under the id any more. */
  complete(key: string, id: string, parts: readonly BlobPart[]): Promise<void>
  /** Lets go of parts that no blob was made of. */
  abort(key: string, id: string): Promise<void>
  /** The blob, or the part of it in `range`; undefined when there is none. */
  get(key: string, range?: BlobRange): Promise<Blob | undefined>
  head(key: string): Promise<BlobInfo | undefined>
  /** Deletes blobs; those that are not there are deleted already. */
  delete(keys: readonly string[]): Promise<void>
  /** Keys that begin with `prefix`, page by page: `cursor` is undefined for the first page, then `next` of the page before. */
  list(
    prefix: string,
    cursor?: string,
  ): Promise<{ readonly keys: readonly string[]; readonly next: string | undefined }>
}

/** Keys of one page of a list, and of one deletion. */
export const keysPerPage = 100
