// Package envelope is a custody backend whose keys are made and used in this process and stored sealed, by something
// outside of it that keeps the key to them. The caller supplies that something, a [Sealer], and a store for the records.
//
// A record's seal is bound to its public key and label, so that who can write to the store can put back older records and
// delete records, but cannot make one that opens to a wrong key.
package envelope
