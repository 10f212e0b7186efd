package testtoken

import "time"

// Behaviour is what a token does wrong. The zero value is a token that works.
type Behaviour struct {
	// Removed takes the token out of its slot: sessions and logins end, session objects are gone, token objects stay.
	Removed bool

	// Slot is the number of the slot that the token is in.
	Slot uint64

	// LengthQuery is what C_Sign answers to a caller that asks for the length; 0 is the truth, 192. EP11 says 96.
	LengthQuery int

	// Delay is how long each signature takes beside the computation.
	Delay time.Duration

	// Refuse has calls fail before they do anything, each entry until it has been used up.
	Refuse []Refusal

	// Fault is what is wrong with points and signatures.
	Fault Fault

	// OtherCurves makes the token one that has EC keys but not this curve, like a card with old firmware.
	OtherCurves bool
}

// Refusal has the next calls of a function fail.
type Refusal struct {
	Function string // its name in PKCS#11, "C_Sign"
	Code     uint64 // the CK_RV that it returns; 0 lets the call through, to be followed by an entry for later ones
	Times    int    // for how many calls; below 0, for all
}

// Fault is a way in which a token's BLS can differ from Ethereum's.
type Fault string

// The faults. NoFault is a token that signs as Ethereum does.
const (
	NoFault         Fault = ""
	BasicSuite      Fault = "basic ciphersuite"    // signs under BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_
	LittleEndian    Fault = "little-endian"        // each coordinate of signatures and public keys is backwards
	SwappedGroups   Fault = "swapped groups"       // public keys are points of G2 and signatures of G1
	ShortSignature  Fault = "short signature"      // signatures end after 191 bytes
	OtherKey        Fault = "other key"            // signatures are another key's
	InfinitePoint   Fault = "infinite signature"   // signatures are the point at infinity
	PartsSwapped    Fault = "parts swapped"        // signatures have the real part of each coordinate before the imaginary one
	KeysExtractable Fault = "extractable keys"     // new private keys can be extracted, whatever their template says
	CompressedForms Fault = "compressed signature" // signatures are compressed, in 96 bytes
)

// Counts is what happened at the token since it was started.
type Counts struct {
	Sessions   int // open now, of all applications
	Opened     int // sessions that were opened
	Logins     int // that succeeded
	WrongPINs  int // that failed
	Signatures int
	Objects    int // token objects there now
}
