package ssv

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
)

// MaxOperatorID is the largest operator id that may hold a share. The contract
// counts in 64 bits, but the network's tools evaluate the polynomial at a
// 32-bit number: beyond this two operators may get the same share.
const MaxOperatorID = 1<<32 - 1

// Threshold returns how many of n operators must sign: 2f+1, where n is 3f+1.
// A cluster has 4, 7, 10 or 13 operators (3, 5, 7 or 9 sign); any other n is
// an error.
func Threshold(n int) (int, error) {
	t, err := threshold(n)
	if err != nil {
		return 0, fmt.Errorf("ssv: operators: %w", err)
	}
	return t, nil
}

func threshold(n int) (int, error) {
	switch n {
	case 4, 7, 10, 13:
		return n - (n-1)/3, nil
	}
	return 0, fmt.Errorf("a cluster of %d, want 4, 7, 10 or 13", n)
}

// CheckCluster reports whether the operators can form a cluster as the
// contract and the nodes take it: 4, 7, 10 or 13 of them, in strictly
// ascending order of ids between 1 and [MaxOperatorID], each with an RSA-2048
// key of its own. It returns a *[VerifyError] for each fault, joined.
func CheckCluster(operators []keyshare.Operator) error {
	r := newFaults(-1)
	r.cluster(operators, "operators")
	return r.err()
}

// ReadOperators reads a list of operators from the bytes of a JSON file that is
// one of
//
//   - an array of {"id", "operatorKey"};
//   - an operators_info.json of ssv-dkg, an array of {"id", "public_key", "ip"};
//   - a keyshares file (see [ParseFile]) whose items all name the same operators.
//
// The keys are in any text form of [ParseOperatorKey]. The list is returned in
// ascending order of ids, whatever the order of the file. Ids are whole numbers
// between 1 and [MaxOperatorID]; no id and no key may occur twice. Any number
// of operators above zero is accepted: [CheckCluster] judges a cluster.
func ReadOperators(b []byte) ([]keyshare.Operator, error) {
	r := newFaults(-1)
	tree, err := decode(b)
	if err != nil {
		r.add("operators", "%v", err)
		return nil, r.err()
	}
	var list []keyshare.Operator
	switch v := tree.(type) {
	case []any:
		for i, e := range v {
			list = append(list, r.listedOperator(e, fmt.Sprintf("operators[%d]", i)))
		}
	case map[string]any:
		list = r.fileOperators(r.file(v))
	default:
		r.add("operators", "is %s, want an array or a keyshares object", kind(tree))
	}
	if r.count() == 0 && len(list) == 0 {
		r.add("operators", "are none")
	}
	if r.count() == 0 {
		slices.SortStableFunc(list, func(a, b keyshare.Operator) int { return cmp.Compare(a.ID, b.ID) })
		r.operators(list, "operators")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return list, nil
}

// fileOperators returns the operators that all items of a file name.
func (r *faults) fileOperators(f *File) []keyshare.Operator {
	for i, it := range f.Items {
		if !sameOperators(it.Data.Operators, f.Items[0].Data.Operators) {
			r.at(i).add("data.operators", "differ from those of shares[0]")
		}
	}
	if len(f.Items) == 0 {
		return nil
	}
	return slices.Clone(f.Items[0].Data.Operators)
}

// listedOperator reads one element of an operator list.
func (r *faults) listedOperator(v any, path string) keyshare.Operator {
	if o, ok := v.(map[string]any); ok {
		if _, ok := o["public_key"]; ok {
			return r.operator(v, path, "public_key", "ip")
		}
	}
	return r.operator(v, path, "operatorKey")
}

// operator reads the JSON object {"id": …, key: …} that may also have the
// optional fields, whose content does not matter.
func (r *faults) operator(v any, path, key string, optional ...string) keyshare.Operator {
	o := r.object(v, path, []string{"id", key}, optional...)
	op := keyshare.Operator{ID: keyshare.Index(r.number(o, "id", path))}
	if text, ok := r.text(o, key, path); ok {
		k, err := parseOperatorKey([]byte(text))
		if err != nil {
			r.add(path+"."+key, "%v", err)
		}
		op.PublicKey = k
	}
	return op
}

// cluster adds the faults of [CheckCluster].
func (r *faults) cluster(operators []keyshare.Operator, path string) {
	if _, err := threshold(len(operators)); err != nil {
		r.add(path, "%v", err)
	}
	r.operators(operators, path)
}

// operators adds the faults of a list in any number: ids in range and strictly
// ascending, keys sound and each with one operator only.
func (r *faults) operators(operators []keyshare.Operator, path string) {
	ids := make([]keyshare.Index, len(operators))
	owner := make(map[string]keyshare.Index, len(operators))
	for i, o := range operators {
		ids[i] = o.ID
		at := fmt.Sprintf("%s[%d].operatorKey", path, i)
		if err := checkOperatorKey(o.PublicKey); err != nil {
			r.add(at, "%v", err)
			continue
		}
		modulus := string(o.PublicKey.N.Bytes())
		if other, ok := owner[modulus]; ok {
			r.add(at, "is the key of operator %d too", other)
		}
		owner[modulus] = o.ID
	}
	r.ids(ids, path, ".id")
}

// ids adds the faults of a list of operator ids. The field of element i is
// path[i] with suffix.
func (r *faults) ids(ids []keyshare.Index, path, suffix string) {
	seen := make(map[keyshare.Index]bool, len(ids))
	for i, id := range ids {
		at := fmt.Sprintf("%s[%d]%s", path, i, suffix)
		if err := checkOperatorID(id); err != nil {
			r.add(at, "%v", err)
		}
		switch {
		case seen[id]:
			r.add(at, "%d occurs twice", id)
		case i > 0 && id < ids[i-1]:
			r.add(at, "%d follows %d, want ascending order", id, ids[i-1])
		}
		seen[id] = true
	}
}

func checkOperatorID(id keyshare.Index) error {
	switch {
	case id == 0:
		return errors.New("is 0, whose share would be the validator's key itself")
	case id > MaxOperatorID:
		return fmt.Errorf("is %d, want at most %d", id, uint64(MaxOperatorID))
	}
	return nil
}

func sameOperators(a, b []keyshare.Operator) bool {
	return slices.EqualFunc(a, b, func(a, b keyshare.Operator) bool {
		return a.ID == b.ID && a.PublicKey != nil && b.PublicKey != nil && a.PublicKey.Equal(b.PublicKey)
	})
}
