package dvkeys

import "github.com/claystack/dvkeys/signer"

// The public networks. signer.NewNetwork and signer.Ephemery make others.
var (
	Mainnet = signer.Mainnet
	Hoodi   = signer.Hoodi
	Sepolia = signer.Sepolia
	Holesky = signer.Holesky
	Gnosis  = signer.Gnosis
	Chiado  = signer.Chiado
)
