package ssv

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/claystack/dvkeys/keyshare"
)

// ParseFile reads a keyshares file of version 1.0.x, 1.1.x or 1.2.x. The
// validators are in the array "shares"; files of version 1.0.x may instead have
// one validator at top level, and beside its sharesData the texts "amount" and
// "cluster", advice to the reader that is dropped. It is strict: a key that occurs
// twice, a field that is unknown or missing, a number that is not whole, data
// after the JSON, an invalid point, an owner whose mixed case does not match
// EIP-55, or an operator key that is not RSA-2048 are refused; the error is one
// *[VerifyError] for each fault, joined. Key order, spacing and the operator
// key's form are free, and createdAt may be absent.
//
// A file that parses is well-formed, no more: call [Verify] before it is used.
func ParseFile(b []byte) (*File, error) {
	r := newFaults(-1)
	tree, err := decode(b)
	if err != nil {
		r.add("", "%v", err)
		return nil, r.err()
	}
	f := r.file(tree)
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

var version = regexp.MustCompile(`^v1\.([012])\.(0|[1-9][0-9]{0,8})$`)

// file reads a decoded keyshares file.
func (r *faults) file(tree any) *File {
	o, ok := tree.(map[string]any)
	if !ok {
		r.add("", "is %s, want an object", kind(tree))
		return &File{}
	}
	if _, ok := o["version"]; !ok {
		r.add("version", "is missing")
		return &File{}
	}
	mark, ok := r.text(o, "version", "")
	if !ok {
		return &File{}
	}
	parts := version.FindStringSubmatch(mark)
	if parts == nil {
		r.add("version", "is %s, want v1.0.x, v1.1.x or v1.2.x", quote(mark))
		return &File{}
	}
	f := &File{Version: mark}
	var advice []string
	early := parts[1] == "0"
	if early {
		advice = []string{"amount", "cluster"}
	}
	if _, array := o["shares"]; array || !early {
		r.object(o, "", []string{"version", "shares"}, "createdAt")
		if o["shares"] != nil { // ssv-keys writes null for none
			list := r.array(o, "shares", "")
			f.Items = make([]Item, len(list))
			for i, v := range list {
				item := r.at(i)
				f.Items[i] = item.item(item.object(v, "", []string{"data", "payload"}), advice)
			}
		}
	} else {
		r.object(o, "", []string{"version", "data", "payload"}, "createdAt")
		f.Items = []Item{r.at(0).item(o, advice)}
	}
	if created, ok := r.text(o, "createdAt", ""); ok {
		t, err := time.Parse(time.RFC3339Nano, created)
		if err != nil || !strings.HasSuffix(created, "Z") {
			r.add("createdAt", "is %s, want a UTC time such as 2026-01-31T12:00:00.000Z", quote(created))
		}
		f.CreatedAt = t
	}
	return f
}

// item reads the fields data and payload of o. The fields named by advice are
// texts that a payload may have and that say nothing of it.
func (r *faults) item(o map[string]any, advice []string) Item {
	var it Item
	if v, ok := o["data"]; ok {
		it.Data = r.data(r.object(v, "data", []string{"ownerNonce", "ownerAddress", "publicKey", "operators"}))
	}
	if v, ok := o["payload"]; ok {
		payload := r.object(v, "payload", []string{"publicKey", "operatorIds", "sharesData"}, advice...)
		for _, name := range advice {
			r.text(payload, name, "payload")
		}
		it.Payload = r.payload(payload)
	}
	return it
}

func (r *faults) data(o map[string]any) Data {
	d := Data{Nonce: r.number(o, "ownerNonce", "data"), PublicKey: r.publicKey(o, "data")}
	if text, ok := r.text(o, "ownerAddress", "data"); ok {
		owner, err := keyshare.ParseAddress(text)
		if err != nil {
			r.add("data.ownerAddress", "%s", cause(err))
		}
		d.Owner = owner
	}
	for i, v := range r.array(o, "operators", "data") {
		d.Operators = append(d.Operators, r.operator(v, fmt.Sprintf("data.operators[%d]", i), "operatorKey"))
	}
	return d
}

func (r *faults) payload(o map[string]any) Payload {
	p := Payload{PublicKey: r.publicKey(o, "payload")}
	for i, v := range r.array(o, "operatorIds", "payload") {
		p.OperatorIDs = append(p.OperatorIDs, keyshare.Index(r.integer(v, fmt.Sprintf("payload.operatorIds[%d]", i))))
	}
	if text, ok := r.text(o, "sharesData", "payload"); ok {
		digits, prefixed := strings.CutPrefix(text, "0x")
		data, err := hex.DecodeString(digits)
		if err != nil || !prefixed {
			r.add("payload.sharesData", "is not 0x and hexadecimal digits in pairs")
		}
		p.SharesData = data
	}
	return p
}

func (r *faults) publicKey(o map[string]any, path string) (k keyshare.PublicKey) {
	text, ok := r.text(o, "publicKey", path)
	if !ok {
		return k
	}
	digits, prefixed := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if err != nil || !prefixed || len(b) != keyshare.PublicKeySize {
		r.add(path+".publicKey", "is not 0x and %d hexadecimal digits", 2*keyshare.PublicKeySize)
		return k
	}
	if k, err = keyshare.ParsePublicKey(b); err != nil {
		r.add(path+".publicKey", "%s", cause(err))
	}
	return k
}
