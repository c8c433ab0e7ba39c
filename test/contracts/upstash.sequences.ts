/**
 * Command sequences run on the embedded engine and on a real Redis, each on an empty database; every reply must be the
 * same. Commands are separated by ` | `, words by spaces; "quotes" hold spaces together and \xNN is a byte.
 */
export const sequences: Readonly<Record<string, readonly string[]>> = {
  strings: [
    'SET k v | GET k | GET none | TYPE k | TYPE none',
    'SET k v NX | SET k w NX | GET k | SET k x XX | SET none x XX | GET none',
    'SET k v GET | SET k w GET | GET k | SET k x NX GET | GET k | SET n x NX GET | GET n',
    'SET k v EX 100 | TTL k | SET k w KEEPTTL | TTL k | SET k x | TTL k',
    'SET k v PX 100000 | TTL k | SET k v EXAT 9999999999 | EXPIRETIME k | SET k v PXAT 9999999999123 | PEXPIRETIME k',
    'SET k v EX 0 | SET k v EX -1 | SET k v PX 0 | SET k v EX a | SET k v EX 9223372036854775807 | EXISTS k',
    'SET k v EX | SET k v NX XX | SET k v EX 1 PX 1 | SET k v KEEPTTL EX 1 | SET k v FOO | SET k | SET',
    'SET k v nx ex 100 | TTL k | set k v xx get px 5000 | TTL k',
    'SET k v PXAT 1 | GET k | SET k v | SET k w EXAT 1 | EXISTS k',
    'SADD s a | SET s v GET | SET s v NX | TYPE s | SET s v | TYPE s',
    'SADD s a | GET s | APPEND s x | STRLEN s | GETDEL s | GETEX s | INCR s',
    'SETNX k v | SETNX k w | GET k | SETEX k 100 v | TTL k | PSETEX k 100000 v | TTL k',
    'SETEX k 0 v | SETEX k a v | SETEX k -5 v | PSETEX k 0 v | SETEX k 1 | SETEX k 9223372036854775807 v',
    'SET k v | GETDEL k | GETDEL k | EXISTS k',
    'SET k v | GETEX k EX 100 | TTL k | GETEX k PERSIST | TTL k | GETEX k PX 0 | GETEX k FOO | GETEX k EX | GETEX k EX 1 PX 1 | GETEX none | GETEX none EX 5',
    'SET k v | GETEX k EXAT 1 | EXISTS k',
    'MSET a 1 b 2 | MGET a b c | MSET a | MSET a 1 b',
    'SADD s a | MGET s | MSET s 1 | GET s',
    'APPEND k abc | APPEND k def | GET k | STRLEN k | STRLEN none | APPEND e "" | EXISTS e | GET e',
    'SET k "\\x00\\xff\\xfe" | GET k | STRLEN k',
  ],
  counters: [
    'INCR n | INCR n | DECR n | INCRBY n 10 | DECRBY n 3 | GET n | INCRBY n -20 | GET n',
    'SET n abc | INCR n | INCRBY n 1 | DECR n | SET n 1.5 | INCR n | SET n " 1" | INCR n | SET n 01 | INCR n | SET n "" | INCR n | SET n +1 | INCR n | SET n -0 | INCR n',
    'INCRBY n abc | INCRBY n 1.5 | INCRBY n | INCR | DECRBY n abc | EXISTS n',
    'SET n 9223372036854775807 | INCR n | GET n | DECR n | SET n -9223372036854775808 | DECR n | DECRBY n -9223372036854775808 | DECRBY m -9223372036854775808 | DECRBY m -9223372036854775807 | INCRBY n 9223372036854775808',
    'SET n 10 EX 100 | INCR n | TTL n | DECRBY n 3 | TTL n | GET n',
  ],
  keys: [
    'MSET a 1 b 2 c 3 | DEL a none | EXISTS a b b none | UNLINK b c | DBSIZE | DEL | EXISTS',
    'MSET one 1 two 2 three 3 | KEYS t* | KEYS ??? | KEYS [ot]* | KEYS [^t]* | KEYS * | KEYS [a-p]?? | KEYS tw\\\\o | KEYS nope | KEYS',
    'MSET a*b 1 axb 2 a]b 3 "a[b" 4 | KEYS a\\\\*b | KEYS a[]]b | KEYS a\\\\[b | KEYS "a[" | KEYS a[*]b | KEYS a[x-]b | KEYS a[z-a]b | KEYS "a[\\\\]]b"',
    'MSET a 1 b 2 | SCAN 0 | SCAN 0 MATCH a* | SCAN 0 COUNT 100 | SCAN 0 TYPE string | SCAN 0 TYPE list | SCAN 0 COUNT 0 | SCAN 0 COUNT a | SCAN x | SCAN 0 FOO | SCAN 0 MATCH | SCAN',
    'SET k v | EXPIRE k 100 | TTL k | PERSIST k | TTL k | PERSIST k | PERSIST none | EXPIRE none 10 | TTL none | PTTL none | PTTL k',
    'SET k v | EXPIRE k 100 NX | EXPIRE k 200 NX | TTL k | EXPIRE k 300 XX | TTL k | EXPIRE k 200 GT | TTL k | EXPIRE k 400 GT | TTL k | EXPIRE k 500 LT | EXPIRE k 50 LT | TTL k',
    'SET k v | EXPIRE k 100 GT | TTL k | EXPIRE k 100 LT | TTL k | PERSIST k | EXPIRE k 10 XX | EXPIRE k 5 NX XX | EXPIRE k 5 GT LT | EXPIRE k 5 FOO | EXPIRE k 5 NX GT | EXPIRE k 90 XX LT | EXPIRE k 100 nx',
    'SET k v | EXPIRE k abc | EXPIRE k 9223372036854775807 | EXPIRE k -9223372036854775808 | PEXPIRE k 9223372036854775807 | EXPIRE k 0 | EXISTS k | SET k v | EXPIRE k -1 | EXISTS k',
    'SET k v | EXPIREAT k 9999999999 | EXPIRETIME k | PEXPIRETIME k | PEXPIREAT k 9999999999123 | PEXPIRETIME k | EXPIRETIME k | EXPIREAT k 1 | EXISTS k | EXPIRETIME none | SET k v | EXPIRETIME k | PEXPIREAT k x',
    'SET k v | EXPIREAT k 9999999999 | EXPIREAT k 9999999999 GT | EXPIREAT k 9999999999 LT | EXPIREAT k 9999999998 GT | PEXPIREAT k 9999999999001 LT | PEXPIREAT k 9999999999001 GT | PEXPIRETIME k | EXPIREAT k 5 XX LT | EXISTS k',
    'FLUSHDB | DBSIZE | SET a 1 | FLUSHALL | DBSIZE | FLUSHDB ASYNC | FLUSHALL SYNC | FLUSHDB FOO',
    'EXPIRE | PEXPIRE k | EXPIREAT k 1 FOO | SET k v | PEXPIRE k 100000 NX | PEXPIRE k 50000 GT | PEXPIRE k 50000 LT | TTL k | PEXPIRE k 0 | EXISTS k',
    'SADD s a | TYPE s | SET k v | TYPE k',
  ],
  server: [
    'PING | PING hello | PING a b | ECHO x | ECHO | ping | Echo "a b"',
    'NOPE | NOPE a b | nope "a b" c | "" a',
    'FOO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b',
    'constructor a | __proto__ | toString | hasOwnProperty x',
    'GET | GET a b | SADD s | EXPIRE k | TTL | TIME x | DBSIZE x | SCARD',
  ],
  sets: [
    'SADD s a b c a | SADD s a | SCARD s | SMEMBERS s | SISMEMBER s a | SISMEMBER s z | SMISMEMBER s a z b | SMISMEMBER none a | SMEMBERS none | SCARD none',
    'SADD s a b | SREM s a z | SREM s b | EXISTS s | SREM none a | SREM s',
    'SADD s a | SPOP s | EXISTS s | SPOP s | SPOP s 2 | SADD s a b | SPOP s 5 | EXISTS s | SPOP s -1 | SPOP s a | SPOP s 1 2 | SADD s a | SPOP s 0 | SPOP none -1 | SPOP none 9223372036854775807',
    'SET k v | SADD k a | SREM k a | SMEMBERS k | SCARD k | SISMEMBER k a | SPOP k | SMISMEMBER k a | SPOP k 1',
    'SADD s a | EXPIRE s 100 | SADD s b | TTL s | SREM s a b | SADD s c | TTL s',
  ],
  together: [
    'SET k v EX 100 | SET k w GET | TTL k | SET k v EX 100 | APPEND k x | TTL k | INCR n | EXPIRE n 50 | INCR n | TTL n',
    'SET a 1 EX 100 | MSET a 2 | TTL a | SET b 1 EX 100 | GETDEL b | SET b 1 | TTL b | SET c 1 EX 100 | SETNX c 2 | TTL c',
    'SET lock token NX PX 30000 | SET lock other NX PX 30000 | GET lock | DEL lock | SET lock other NX PX 30000 | GET lock',
    'INCR window | EXPIRE window 60 NX | INCR window | EXPIRE window 60 NX | TTL window | INCRBY window 5 | GET window',
    'DEL none | SPOP none 3 | SREM none a | EXPIRE none 1 | PERSIST none | GETDEL none | KEYS *',
    'get | GeT k | set k v eX 10 | TTL k | sadd S a | SMEMBERS s | SMEMBERS S',
    'SCAN 0 MATCH none* | SET a 1 | SCAN 0 MATCH [ab] COUNT 100 TYPE string | SCAN 0 COUNT -1 | SCAN 0 TYPE',
    'SET "" empty | GET "" | SADD s "" | SISMEMBER s "" | KEYS ""',
  ],
}

/** Commands whose replies have no defined order. */
export const unordered = new Set(['SMEMBERS', 'KEYS', 'SCAN', 'SPOP'])

/** Reads a sequence into commands of byte strings. */
export function readSequence(sequence: string): string[][] {
  return sequence.split(' | ').map((command) => [...command.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/gs)].map(readWord))
}

function readWord([, quoted, bare = '']: RegExpExecArray): string {
  return (quoted ?? bare).replaceAll(/\\(?:x([0-9a-f]{2})|([\\"]))/g, (_, hex: string | undefined, char: string) =>
    hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
