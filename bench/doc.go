// Package bench measures the library beside the libraries that it is made of and beside others that do the same: how many
// signatures a second, how long one takes, what combining, slashing protection and the opening of a key store cost. It is
// a module of its own, so that what it compares with is no dependency of the library.
//
//	make bench                           at the root: all of it, in about a quarter of an hour; writes RESULTS.md,
//	                                     results.svg and the summary in the README
//	make bench BENCH=Sign BENCHTIME=5s   some of it, for longer; writes nothing
//	go test -bench Sign -count 10        here: the same rows, for benchstat
//
// A row is never measured alone: package race lets it take turns with its baselines and with its limit.
package bench
