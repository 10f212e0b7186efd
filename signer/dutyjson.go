package signer

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
)

// dutyKinds names each type of duty for what leaves the process: the "type" of an
// encoded duty, and a part of the path where a server takes it. Names are for good.
var dutyKinds = map[string]reflect.Type{
	"attestation":          reflect.TypeFor[Attestation](),
	"selection-proof":      reflect.TypeFor[SelectionProof](),
	"aggregate":            reflect.TypeFor[AggregateAndProof](),
	"aggregate-root":       reflect.TypeFor[AggregateRoot](),
	"block":                reflect.TypeFor[Block](),
	"randao":               reflect.TypeFor[Randao](),
	"registration":         reflect.TypeFor[ValidatorRegistration](),
	"sync-message":         reflect.TypeFor[SyncCommitteeMessage](),
	"sync-selection-proof": reflect.TypeFor[SyncSelectionProof](),
	"sync-contribution":    reflect.TypeFor[SyncContribution](),
	"deposit":              reflect.TypeFor[Deposit](),
	"exit":                 reflect.TypeFor[VoluntaryExit](),
	"credential-change":    reflect.TypeFor[BLSToExecutionChange](),
	"owner-nonce":          reflect.TypeFor[OwnerNonce](),
}

const dutyType = "type"

// DutyKinds returns the names of all types of duties, as EncodeDuty writes them, in
// no order.
func DutyKinds() []string {
	kinds := make([]string, 0, len(dutyKinds))
	for kind := range dutyKinds {
		kinds = append(kinds, kind)
	}
	return kinds
}

// EncodeDuty writes a duty as a JSON object: its "type", one of [DutyKinds], and its
// fields under their names in snake_case. Numbers are decimal strings, all else is
// 0x and lower-case hex digits:
//
//	{"epoch":"12","type":"exit","validator_index":"7"}
//
// It does not check whether the duty makes sense; [SigningRoot] does.
func EncodeDuty(d Duty) ([]byte, error) {
	t := reflect.TypeOf(d)
	for kind, known := range dutyKinds {
		if known == t {
			object := encodeStruct(reflect.ValueOf(d))
			object[dutyType] = kind
			return json.Marshal(object)
		}
	}
	return nil, errors.New("signer: the duty is missing, or a pointer to one")
}

// DecodeDuty reads what EncodeDuty writes, with the keys in any order. All fields
// must be there and no others.
func DecodeDuty(b []byte) (Duty, error) {
	object, err := strictjson.Object(b)
	if err != nil {
		return nil, fmt.Errorf("signer: duty: %w", err)
	}
	var kind string
	if err := json.Unmarshal(object[dutyType], &kind); err != nil {
		return nil, errors.New("signer: duty: the type is missing, or no string")
	}
	t, ok := dutyKinds[kind]
	if !ok {
		return nil, fmt.Errorf("signer: duty: type %.40q is unknown", kind)
	}
	delete(object, dutyType)
	d := reflect.New(t).Elem()
	if err := decodeStruct(object, d); err != nil {
		return nil, fmt.Errorf("signer: %s: %w", kind, err)
	}
	return d.Interface().(Duty), nil
}

func encodeStruct(v reflect.Value) map[string]any {
	object := map[string]any{}
	for field, value := range v.Fields() {
		object[snake(field.Name)] = encodeValue(value)
	}
	return object
}

// encodeValue knows the types of which duties consist, and no others.
func encodeValue(v reflect.Value) any {
	if k, ok := v.Interface().(keyshare.PublicKey); ok {
		b := k.Bytes()
		return "0x" + hex.EncodeToString(b[:])
	}
	switch v.Kind() {
	case reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Slice:
		return "0x" + hex.EncodeToString(v.Bytes())
	case reflect.Array:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return "0x" + hex.EncodeToString(b)
	}
	return encodeStruct(v)
}

func decodeStruct(object map[string]json.RawMessage, v reflect.Value) error {
	for field, value := range v.Fields() {
		name := snake(field.Name)
		raw, ok := object[name]
		if !ok {
			return fmt.Errorf("%s is missing", name)
		}
		delete(object, name)
		if err := decodeValue(raw, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name := range object {
		return fmt.Errorf("field %.40q is unknown", name)
	}
	return nil
}

func decodeValue(raw json.RawMessage, v reflect.Value) error {
	_, isKey := v.Interface().(keyshare.PublicKey)
	if v.Kind() == reflect.Struct && !isKey {
		object, err := strictjson.Object(raw)
		if err != nil {
			return err
		}
		return decodeStruct(object, v)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || raw[0] != '"' {
		return errors.New("is no string")
	}
	if v.Kind() == reflect.Uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || strconv.FormatUint(n, 10) != text {
			return errors.New("is no decimal number of 0 to 2^64-1 without leading zeros")
		}
		v.SetUint(n)
		return nil
	}
	digits, prefixed := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if err != nil || !prefixed || strings.ToLower(digits) != digits {
		return errors.New("is not 0x and an even number of lower-case hex digits")
	}
	switch {
	case isKey:
		k, err := keyshare.ParsePublicKey(b)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(k))
	case v.Kind() == reflect.Slice:
		v.SetBytes(b)
	case len(b) != v.Len():
		return fmt.Errorf("has %d bytes, %d expected", len(b), v.Len())
	default:
		reflect.Copy(v, reflect.ValueOf(b))
	}
	return nil
}

// snake returns BeaconBlockRoot as beacon_block_root.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
