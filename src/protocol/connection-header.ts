/** Header by which the edge names a connection to its gateway; what a client sends in it is dropped. */
export const connectionHeader = 'parley-connection'
