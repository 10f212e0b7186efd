//go:build cgo && unix

package pkcs11

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/softhsmtest"
)

// A child is this test program run once more, as another process that works on the same tokens.
const (
	taskVariable  = "DVKEYS_TEST_TASK"
	labelVariable = "DVKEYS_TEST_LABEL"
)

func runChild(tb testing.TB, task, label string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), taskVariable+"="+task, labelVariable+"="+label)
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s", out)
}

func child(task string) int {
	if err := childTask(task, os.Getenv(labelVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childTask does something to the secret keys of the main token that have a label.
func childTask(task, label string) error {
	path, err := softhsmtest.Module()
	if err != nil {
		return err
	}
	raw := pkcs11.New(path)
	if err := raw.Initialize(); err != nil {
		return err
	}
	defer raw.Finalize()
	slot, _, err := selection{label: mainToken}.find(&module{raw: raw})
	if err != nil {
		return err
	}
	session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	if err := raw.Login(session, pkcs11.CKU_USER, userPIN); err != nil {
		return err
	}
	if err := raw.FindObjectsInit(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}); err != nil {
		return err
	}
	found, _, err := raw.FindObjects(session, 10)
	if err != nil {
		return err
	}
	if err := raw.FindObjectsFinal(session); err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no key with the label %q", label)
	}
	for _, key := range found {
		switch task {
		case "delete":
			err = raw.DestroyObject(session, key)
		case "forbid":
			err = raw.SetAttributeValue(session, key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false)})
		case "allow":
			err = raw.SetAttributeValue(session, key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true)})
		default:
			err = fmt.Errorf("no task %q", task)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
