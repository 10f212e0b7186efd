// Package testtoken is a small real PKCS#11 token that signs BLS12-381, for tests: what IBM's EP11 cards do through
// openCryptoki, without the card. A program loads it like any token, by the path of a module; the keys are kept and used
// in another process, and faults can be ordered.
//
// # Parts
//
// [Start] compiles a thin C module with gcc and starts the token's process, which is the running program once more: a
// test's TestMain begins with [Served]. (A module in Go could not be loaded by a Go process, which would have two Go
// runtimes.) The module keeps no state but the number of its application: each call becomes one message over a Unix
// socket, and the process answers it. The process holds keys in guarded memory, and forgets them when it ends.
//
// # What the token can do
//
// One slot, one token, one user with the PIN [PIN], locked after three wrong ones. EC keys on the curve
// 1.3.6.1.4.1.2.267.999.3.2 are generated (CKM_EC_KEY_PAIR_GEN) and imported (C_CreateObject with the 32-byte scalar as
// CKA_VALUE), found and destroyed, as token or session objects. CKM_IBM_ECDSA_OTHER (0x80010031) with the parameter 6,
// one CK_ULONG, signs 32 bytes under Ethereum's ciphersuite. A signature is an uncompressed point of G2 in 192 bytes;
// CKA_EC_POINT is an OCTET STRING of 04 and an uncompressed point of G1. Every other function of PKCS#11 answers
// CKR_FUNCTION_NOT_SUPPORTED.
//
// # Faults
//
// A [Behaviour] makes the token slow, removed, failing or wrong; [Token.DropSessions] and [Token.LogOut] take away what
// an application holds. The token also counts: see [Counts].
//
// # The messages
//
// Each call is a connection of its own: one request, one reply. Both are a length in 4 bytes, at most 16384, and that
// many bytes. A number is 8 bytes, big-endian; bytes are a number, their length, and themselves. A request is the name
// of the function as bytes, the number that C_Initialize answered (0 before), and the function's arguments in their
// order in PKCS#11. A mechanism is its number and its parameter as bytes; a template is the number of attributes, then
// each one's type as a number and value as bytes; a list to be filled is not sent, but for the room in the list of
// C_FindObjects and in the buffer of C_Sign (a number that says whether there is a buffer, and its length). A reply is
// the CK_RV as a number, then what the function gives in the order of PKCS#11: fields of structures as numbers or
// bytes, versions as two numbers, lists as their number of elements and the elements. C_GetAttributeValue answers for
// each attribute whether the value is there, and the value; C_Sign the length of the signature, and the signature
// unless the length only was asked for. The requests “set” (a Behaviour in JSON), “counts” (which answers [Counts] in
// JSON), “drop” and “logout” are the orders of [Token].
package testtoken
