//go:build !race

package vaulttest

const race = false
