package signer

// CheckDeposit reports what [SignDeposit] would refuse of a deposit, while there
// is no key to sign it yet. Its error joins one *[DepositError] per fault. o may be
// nil.
func CheckDeposit(n *Network, wc WithdrawalCredentials, amount Gwei, o *DepositOptions) error {
	if err := n.check(); err != nil {
		return err
	}
	return join(Deposit{WithdrawalCredentials: wc, Amount: amount}.termFaults(n, o))
}
