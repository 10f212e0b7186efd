// Package killtest kills a process just before a chosen change to its files, so that a test can try every place where a
// program may die. Only tests import it.
//
// What a process has written survives its death in the kernel's cache. So this shows that no state between two writes is
// a bad one; it does not show what a power failure leaves, which depends on the calls of fsync alone.
package killtest
