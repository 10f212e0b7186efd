// Package secret keeps secret bytes: where the garbage collector cannot copy them, the kernel cannot swap or dump them,
// and no formatter can print them.
//
// # Three forms of a secret
//
// A [Buffer] holds a secret in the clear while it is worked with. Its bytes lie in memory mapped outside the Go heap,
// locked against swapping (mlock), left out of core dumps, emptied in forked children (both on Linux), and wiped by
// Destroy. Up to 64 bytes are a slot of a shared slab of locked pages; more get a mapping of their own, a few of which are
// kept for the next such buffer if a page is enough. Before and after every slab and every such mapping lies a page that
// cannot be read or written, and the bytes around each secret are canaries that Destroy checks: if they changed, something
// wrote past the end of a buffer, and the process stops.
//
// A [Box] holds a secret at rest. The secret is encrypted (XSalsa20-Poly1305) in ordinary memory under one key, made at
// random by this process and kept in a locked slot; each use decrypts straight from there into a locked slot of its own,
// in about a microsecond, and wipes it afterwards. So 100,000 keys cost about 100 bytes of ordinary memory each and
// a few pages of locked memory altogether, and a page of the heap that reaches a swap file, a dump or a careless log shows
// ciphertext.
//
// A [Key] encrypts records that leave the process, a key file's for example. Each record is bound to a context, so that
// one record cannot be passed off as another.
//
// All of them print as [secret] in fmt, encoding/json, log/slog and everything that uses encoding.TextMarshaler; other
// types get the same by embedding [Redacted].
//
// # Beside memguard
//
// github.com/awnumar/memguard is the known library for this. Taken from it: the system calls (its memcall), guard pages,
// canaries, exclusion from core dumps, a secret placed flush against the trailing guard page when it has a mapping of its
// own, and the idea of an enclave, a secret encrypted under a key that is itself in locked memory. Not taken:
//   - a mapping per buffer: opening an enclave costs three mappings and a lock, over a hundred microseconds, where a BLS
//     signature costs five hundred; a slot costs a mutex, and the locked memory does not grow with the number of keys;
//   - making a buffer read-only between accesses: two more system calls on the signing path, against a fault (a stray write
//     through a valid pointer) that Go code without unsafe cannot commit and that canaries show for C code;
//   - splitting the master key in two and changing the halves every half second: it guards against an attacker who reads
//     memory slowly, costs a lock and a hash for each access and a goroutine that never ends, and an attacker who can read
//     the two halves one after the other has usually won already;
//   - handlers that catch signals and exit: that is the program's business, not a library's.
//
// # What Go cannot promise
//
// The bytes of a secret are never copied by this package into ordinary memory. Beyond that there are limits, and a threat
// model should name them:
//   - Functions that work on a secret leave intermediate values on goroutine stacks and in registers: the decryption's
//     keystream, the halves of a scalar. This package overwrites the stack below its own decryption; what the function
//     given to Use leaves is out of its reach. Built with GOEXPERIMENT=runtimesecret (linux/amd64 and linux/arm64) Use
//     runs inside runtime/secret.Do, which erases registers and stack afterwards, though not the stacks of C code.
//   - The kernel saves registers on a signal or a context switch, where a locked page is no help.
//   - Locking keeps pages out of the swap file, not out of a hibernation image or a virtual machine's snapshot.
//   - Root, a debugger (ptrace) and any code in the same process can read everything, the process key included.
//   - Where the system has no call for it (outside Linux and the BSDs), locked pages can be part of a core dump and are
//     copied by fork. Bytes a caller had in a slice or a string before it handed them over are the caller's to wipe
//     ([Take], [Wipe]).
package secret
