// Package transport carries the messages of a ceremony of package dkg.
//
// [Memory] is for programs and tests that hold all parties in one process. It
// delivers in an order that follows from a seed.
//
// [Mailbox] and [Client] work over HTTP/2 with mutual TLS. A Mailbox keeps what is sent
// to it, in order, until it is closed; Clients ask it for what comes after what they
// have. So a party that was away, or is new in its process, catches up by asking from
// the start, and no party needs to be reachable at the moment when another sends.
//
// There are two ways to use it:
//
//   - with a relay: one Mailbox somewhere, to which all parties post and from which
//     all read, or several of which one suffices. A relay is not trusted: it can withhold
//     messages, which shows as a timeout, but can forge none and learns no secret. One
//     that restarts with an empty memory gets everything again;
//   - directly: each party has a Mailbox of its own, to which only it adds
//     (MailboxOptions.ReadOnly), and reads those of the others.
//
// # Limits
//
// A Mailbox takes only as many sessions, messages and bytes as its options say, of
// each TLS client by itself, and refuses more before it reads them: a client that fills its
// share takes nothing from others. A Client reads from a Mailbox only as fast as its party
// works: what is not fetched stays there. It takes at most 20 MiB of one answer.
package transport
