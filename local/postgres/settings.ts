/** One server's place on this machine. */
export interface Place {
  /** TCP port on 127.0.0.1. */
  readonly port: number
  readonly major: number
}

/**
 * Server settings, given on the command line at each start so that they never grow stale in a data folder. fsync and
 * synchronous_commit stay on: what a test sees committed is on disk. A standby must not be given less than its primary
 * (max_connections, max_wal_senders, …) or it stops recovering, hence one list for both.
 */
export function settings({ port, major }: Place): string[] {
  const chosen: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    // No socket file: its path may be too long, and the folder closed to the account we run as.
    unix_socket_directories: '',
    max_connections: 100,
    shared_buffers: '32MB',
    huge_pages: 'off',
    // In the data folder, which goes with what is in it; segments in /dev/shm outlive a killed server, a megabyte each.
    dynamic_shared_memory_type: 'mmap',
    wal_level: 'logical',
    max_wal_size: '256MB',
    // A standby that was down for a while still finds what it missed.
    wal_keep_size: '128MB',
    // A standby looks for its restarted primary this often.
    wal_retrieve_retry_interval: '500ms',
    // Notices a client that vanished in the middle of a long statement.
    client_connection_check_interval: '2s',
    log_min_messages: 'log',
    log_checkpoints: 'off',
    log_line_prefix: '',
    // Three idle worker processes saved; ours is not an I/O-bound load.
    ...(major >= 18 ? { io_method: 'sync' } : {}),
  }
  return Object.entries(chosen).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}
