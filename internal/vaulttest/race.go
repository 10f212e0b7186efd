//go:build race

package vaulttest

const race = true
