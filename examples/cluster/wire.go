package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// The protocol between the client and a holder is JSON over HTTP on a Unix socket:
//
//	GET  /operator     an operator: where a share is to be sealed to
//	POST /join         an invitation: the holder keeps the share
//	POST /sign         a list of attestations; a list of answers comes back
//
// It has no authentication but the socket's folder, and signs attestations only.
const (
	operatorPath = "/operator"
	joinPath     = "/join"
	signPath     = "/sign"
)

type operator struct {
	ID        keyshare.Index
	PublicKey []byte // PKIX
}

type invitation struct {
	Group     *keyshare.Group
	PublicKey keyshare.PublicKey // of the share
	Sealed    []byte
}

// answer is a partial signature of 96 bytes, or why there is none.
type answer struct {
	Signature []byte `json:",omitempty"`
	Error     string `json:",omitempty"`
	Slashable bool   `json:",omitempty"`
}

func answerOf(r signer.Result) answer {
	if r.Err != nil {
		return answer{Error: r.Err.Error(), Slashable: errors.Is(r.Err, signer.ErrSlashable)}
	}
	sig := r.Signature.Bytes()
	return answer{Signature: sig[:]}
}

func (a answer) result() signer.Result {
	switch {
	case a.Slashable:
		return signer.Result{Err: fmt.Errorf("%w: the holder says: %s", signer.ErrSlashable, a.Error)}
	case a.Error != "":
		return signer.Result{Err: fmt.Errorf("the holder says: %s", a.Error)}
	}
	sig, err := keyshare.ParseSignature(a.Signature)
	return signer.Result{Signature: sig, Err: err}
}

// maxBody bounds what is read of a request or a response, in bytes.
const maxBody = 1 << 20

func decode(r io.Reader, v any) error {
	return json.NewDecoder(io.LimitReader(r, maxBody)).Decode(v)
}

// handle makes a handler of a function from a request to a response.
func handle[In, Out any](f func(*http.Request, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if r.Method == http.MethodPost {
			if err := decode(r.Body, &in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		out, err := f(r, in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // who does not listen any more misses it
	}
}
