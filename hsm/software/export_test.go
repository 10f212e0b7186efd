package software

// CheapPassphrases makes new files and new passphrases cheap, for tests.
func CheapPassphrases() { newCost = cost{time: 1, memory: 64, threads: 1} }
