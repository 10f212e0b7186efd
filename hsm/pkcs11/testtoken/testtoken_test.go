package testtoken_test

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/keyshare"
)

func TestMain(m *testing.M) {
	if testtoken.Served() {
		return
	}
	m.Run()
}

var (
	curve     = []byte("\x06\x0c\x2b\x06\x01\x04\x01\x02\x82\x0b\x87\x67\x03\x02")
	mechanism = []*pkcs11.Mechanism{pkcs11.NewMechanism(0x80010031, binary.NativeEndian.AppendUint64(nil, 6))}
	keyGen    = []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)}
)

// client is a token and a program that uses its module.
type client struct {
	*pkcs11.Ctx
	t       *testing.T
	token   *testtoken.Token
	session pkcs11.SessionHandle
}

// start starts a token, opens a session and logs in.
func start(t *testing.T) *client {
	t.Helper()
	token, err := testtoken.Start()
	if errors.Is(err, testtoken.ErrNoCompiler) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	ctx := pkcs11.New(token.Module())
	require.NotNil(t, ctx)
	require.NoError(t, ctx.Initialize())
	c := &client{Ctx: ctx, t: t, token: token}
	t.Cleanup(func() {
		require.NoError(t, ctx.Finalize())
		ctx.Destroy()
		require.NoError(t, token.Close())
		require.NoError(t, token.Close(), "a second Close does nothing")
	})
	c.session = c.open()
	require.NoError(t, ctx.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	return c
}

func (c *client) open() pkcs11.SessionHandle {
	c.t.Helper()
	s, err := c.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(c.t, err)
	return s
}

func (c *client) generate(onToken bool, label string) (public, private pkcs11.ObjectHandle) {
	c.t.Helper()
	public, private, err := c.GenerateKeyPair(c.session, keyGen, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curve),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, onToken),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, onToken),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	})
	require.NoError(c.t, err)
	return public, private
}

// attribute reads one attribute.
func (c *client) attribute(o pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	a, err := c.GetAttributeValue(c.session, o, []*pkcs11.Attribute{{Type: kind}})
	if err != nil {
		return nil, err
	}
	return a[0].Value, nil
}

func (c *client) publicKey(o pkcs11.ObjectHandle) keyshare.PublicKey {
	c.t.Helper()
	point, err := c.attribute(o, pkcs11.CKA_EC_POINT)
	require.NoError(c.t, err)
	require.Len(c.t, point, 99)
	require.Equal(c.t, []byte{4, 97, 4}, point[:3])
	pk, err := keyshare.ParsePublicKeyUncompressed(point[3:])
	require.NoError(c.t, err)
	return pk
}

func (c *client) sign(s pkcs11.SessionHandle, private pkcs11.ObjectHandle, root keyshare.Root) ([]byte, error) {
	if err := c.SignInit(s, mechanism, private); err != nil {
		return nil, err
	}
	return c.Sign(s, root[:])
}

func (c *client) find(template ...*pkcs11.Attribute) []pkcs11.ObjectHandle {
	c.t.Helper()
	require.NoError(c.t, c.FindObjectsInit(c.session, template))
	found, _, err := c.FindObjects(c.session, 100)
	require.NoError(c.t, err)
	require.NoError(c.t, c.FindObjectsFinal(c.session))
	return found
}

func code(c uint) pkcs11.Error { return pkcs11.Error(c) }

func TestGenerateAndSign(t *testing.T) {
	c := start(t)
	public, private := c.generate(true, "key")
	pk := c.publicKey(public)
	root := keyshare.Root{1, 2}
	b, err := c.sign(c.session, private, root)
	require.NoError(t, err)
	sig, err := keyshare.ParseSignatureUncompressed(b)
	require.NoError(t, err)
	require.True(t, pk.Verify(root, sig))
	require.True(t, pk.VerifyIndependent(root, sig))

	_, err = c.attribute(private, pkcs11.CKA_VALUE)
	require.Equal(t, code(pkcs11.CKR_ATTRIBUTE_SENSITIVE), err)
	_, err = c.attribute(public, pkcs11.CKA_VALUE)
	require.Equal(t, code(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID), err)
	for kind, want := range map[uint]byte{pkcs11.CKA_LOCAL: 1, pkcs11.CKA_ALWAYS_SENSITIVE: 1, pkcs11.CKA_NEVER_EXTRACTABLE: 1} {
		v, err := c.attribute(private, kind)
		require.NoError(t, err)
		require.Equal(t, []byte{want}, v)
	}
	counts, err := c.token.Counts()
	require.NoError(t, err)
	require.Equal(t, testtoken.Counts{Sessions: 1, Opened: 1, Logins: 1, Signatures: 1, Objects: 2}, counts)
}

func TestImport(t *testing.T) {
	c := start(t)
	key, err := keyshare.Generate()
	require.NoError(t, err)
	defer key.Destroy()
	create := func(value []byte) (pkcs11.ObjectHandle, error) {
		return c.CreateObject(c.session, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curve),
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
		})
	}
	require.NoError(t, key.Use(func(secret []byte) error {
		private, err := create(secret)
		require.NoError(t, err)
		b, err := c.sign(c.session, private, keyshare.Root{3})
		require.NoError(t, err)
		sig, err := keyshare.ParseSignatureUncompressed(b)
		require.NoError(t, err)
		require.True(t, key.PublicKey().Verify(keyshare.Root{3}, sig))
		generated, err := c.attribute(private, pkcs11.CKA_NEVER_EXTRACTABLE)
		require.NoError(t, err)
		require.Equal(t, []byte{0}, generated, "an imported key was outside once")
		return nil
	}))
	for _, bad := range [][]byte{nil, make([]byte, 32), make([]byte, 31)} {
		_, err := create(bad)
		require.Equal(t, code(pkcs11.CKR_ATTRIBUTE_VALUE_INVALID), err)
	}
	_, err = create(make([]byte, 1<<15))
	require.Equal(t, code(pkcs11.CKR_ARGUMENTS_BAD), err, "longer than a message")
}

func TestObjects(t *testing.T) {
	c := start(t)
	public, private := c.generate(true, "here")
	c.generate(true, "there")
	_, session := c.generate(false, "here")
	byLabel := pkcs11.NewAttribute(pkcs11.CKA_LABEL, "here")
	require.Len(t, c.find(), 6)
	require.Len(t, c.find(byLabel), 4)
	require.Equal(t, []pkcs11.ObjectHandle{private}, c.find(byLabel, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)))

	other := c.open()
	require.NoError(t, c.CloseSession(c.session))
	c.session = other
	require.Len(t, c.find(byLabel), 2, "a session's objects end with it")
	_, err := c.sign(c.session, session, keyshare.Root{})
	require.Equal(t, code(pkcs11.CKR_KEY_HANDLE_INVALID), err)

	require.NoError(t, c.Logout(c.session))
	require.Equal(t, []pkcs11.ObjectHandle{public}, c.find(byLabel), "private objects need a login")
	_, _, err = c.GenerateKeyPair(c.session, keyGen, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curve)},
		[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true)})
	require.Equal(t, code(pkcs11.CKR_USER_NOT_LOGGED_IN), err)
	require.NoError(t, c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	require.NoError(t, c.DestroyObject(c.session, private))
	require.Equal(t, code(pkcs11.CKR_OBJECT_HANDLE_INVALID), c.DestroyObject(c.session, private))

	readOnly, err := c.OpenSession(0, pkcs11.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	require.Equal(t, code(pkcs11.CKR_SESSION_READ_ONLY), c.DestroyObject(readOnly, public))
}

func TestWrongPIN(t *testing.T) {
	c := start(t)
	require.Equal(t, code(pkcs11.CKR_USER_ALREADY_LOGGED_IN), c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	require.NoError(t, c.Logout(c.session))
	for range 3 {
		require.Equal(t, code(pkcs11.CKR_PIN_INCORRECT), c.Login(c.session, pkcs11.CKU_USER, "000000"))
	}
	require.Equal(t, code(pkcs11.CKR_PIN_LOCKED), c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	info, err := c.GetTokenInfo(0)
	require.NoError(t, err)
	require.NotZero(t, info.Flags&pkcs11.CKF_USER_PIN_LOCKED)
	require.Equal(t, testtoken.Label, info.Label)
	require.Equal(t, testtoken.Manufacturer, info.ManufacturerID)
	require.Equal(t, testtoken.Serial, info.SerialNumber)
}

func TestSessionLoss(t *testing.T) {
	c := start(t)
	_, private := c.generate(true, "key")
	require.NoError(t, c.token.LogOut())
	_, err := c.sign(c.session, private, keyshare.Root{})
	require.Equal(t, code(pkcs11.CKR_KEY_HANDLE_INVALID), err)
	require.NoError(t, c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	_, err = c.sign(c.session, private, keyshare.Root{})
	require.NoError(t, err)

	require.NoError(t, c.token.DropSessions())
	_, err = c.sign(c.session, private, keyshare.Root{})
	require.Equal(t, code(pkcs11.CKR_SESSION_HANDLE_INVALID), err)
	c.session = c.open()
	require.NoError(t, c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	_, err = c.sign(c.session, private, keyshare.Root{})
	require.NoError(t, err)
}

func TestRemoval(t *testing.T) {
	c := start(t)
	_, private := c.generate(true, "key")
	require.NoError(t, c.token.Set(testtoken.Behaviour{Removed: true}))
	_, err := c.sign(c.session, private, keyshare.Root{})
	require.Equal(t, code(pkcs11.CKR_DEVICE_REMOVED), err)
	_, err = c.OpenSession(0, pkcs11.CKF_SERIAL_SESSION)
	require.Equal(t, code(pkcs11.CKR_TOKEN_NOT_PRESENT), err)
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	require.Empty(t, slots)
	slots, err = c.GetSlotList(false)
	require.NoError(t, err)
	require.Equal(t, []uint{0}, slots)

	require.NoError(t, c.token.Set(testtoken.Behaviour{Slot: 7}))
	slots, err = c.GetSlotList(true)
	require.NoError(t, err)
	require.Equal(t, []uint{7}, slots)
	_, err = c.GetSessionInfo(c.session)
	require.Equal(t, code(pkcs11.CKR_SESSION_HANDLE_INVALID), err)
	c.session, err = c.OpenSession(7, pkcs11.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	require.NoError(t, c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN))
	info, err := c.GetSessionInfo(c.session)
	require.NoError(t, err)
	require.EqualValues(t, 7, info.SlotID)
	require.EqualValues(t, pkcs11.CKS_RO_USER_FUNCTIONS, info.State)
	_, err = c.sign(c.session, private, keyshare.Root{})
	require.NoError(t, err, "token objects survive")
}

// TestProcessGone holds that the end of the process is a removed device, and that the module itself goes on.
func TestProcessGone(t *testing.T) {
	c := start(t)
	require.NoError(t, c.token.Close())
	_, err := c.GetSlotList(true)
	require.Equal(t, code(pkcs11.CKR_DEVICE_REMOVED), err)
	require.Equal(t, code(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED), c.Initialize())
	_, err = c.token.Counts()
	require.Error(t, err)
}

func TestOperations(t *testing.T) {
	c := start(t)
	_, private := c.generate(false, "")
	require.NoError(t, c.SignInit(c.session, mechanism, private))
	require.Equal(t, code(pkcs11.CKR_OPERATION_ACTIVE), c.SignInit(c.session, mechanism, private))
	_, err := c.Sign(c.session, make([]byte, 31))
	require.Equal(t, code(pkcs11.CKR_DATA_LEN_RANGE), err)
	_, err = c.Sign(c.session, make([]byte, 32))
	require.Equal(t, code(pkcs11.CKR_OPERATION_NOT_INITIALIZED), err, "a failed operation has ended")
	for want, m := range map[uint]*pkcs11.Mechanism{
		pkcs11.CKR_MECHANISM_INVALID:       pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil),
		pkcs11.CKR_MECHANISM_PARAM_INVALID: pkcs11.NewMechanism(0x80010031, binary.NativeEndian.AppendUint64(nil, 3)),
	} {
		require.Equal(t, code(want), c.SignInit(c.session, []*pkcs11.Mechanism{m}, private))
	}

	require.NoError(t, c.token.Set(testtoken.Behaviour{LengthQuery: 96}))
	_, err = c.sign(c.session, private, keyshare.Root{})
	require.Equal(t, code(pkcs11.CKR_BUFFER_TOO_SMALL), err, "who believes the length of EP11 fails")
	_, err = c.Encrypt(c.session, nil)
	require.Equal(t, code(pkcs11.CKR_FUNCTION_NOT_SUPPORTED), err)
	random, err := c.GenerateRandom(c.session, 32)
	require.NoError(t, err)
	require.NotEqual(t, make([]byte, 32), random)
	mechanisms, err := c.GetMechanismList(0)
	require.NoError(t, err)
	require.Len(t, mechanisms, 2)
	mechanismInfo, err := c.GetMechanismInfo(0, mechanism)
	require.NoError(t, err)
	require.NotZero(t, mechanismInfo.Flags&pkcs11.CKF_SIGN)
	info, err := c.GetInfo()
	require.NoError(t, err)
	require.Equal(t, testtoken.Manufacturer, info.ManufacturerID)
	slot, err := c.GetSlotInfo(0)
	require.NoError(t, err)
	require.NotZero(t, slot.Flags&pkcs11.CKF_TOKEN_PRESENT)
}

func TestRefuse(t *testing.T) {
	c := start(t)
	_, private := c.generate(false, "")
	require.NoError(t, c.token.Set(testtoken.Behaviour{Refuse: []testtoken.Refusal{
		{Function: "C_SignInit", Code: pkcs11.CKR_DEVICE_ERROR, Times: 2},
	}}))
	for range 2 {
		_, err := c.sign(c.session, private, keyshare.Root{})
		require.Equal(t, code(pkcs11.CKR_DEVICE_ERROR), err)
	}
	_, err := c.sign(c.session, private, keyshare.Root{})
	require.NoError(t, err)
}

// TestFaults holds that each fault is one: what is signed does not pass as Ethereum's.
func TestFaults(t *testing.T) {
	c := start(t)
	public, private := c.generate(false, "")
	pk := c.publicKey(public)
	for fault, length := range map[testtoken.Fault]int{
		testtoken.NoFault: 192, testtoken.BasicSuite: 192, testtoken.LittleEndian: 192, testtoken.SwappedGroups: 96,
		testtoken.ShortSignature: 191, testtoken.OtherKey: 192, testtoken.InfinitePoint: 192, testtoken.CompressedForms: 96,
		testtoken.PartsSwapped: 192,
	} {
		require.NoError(t, c.token.Set(testtoken.Behaviour{Fault: fault}))
		b, err := c.sign(c.session, private, keyshare.Root{5})
		require.NoError(t, err)
		require.Len(t, b, length, fault)
		sig, err := keyshare.ParseSignatureUncompressed(b)
		require.Equal(t, fault == testtoken.NoFault, err == nil && pk.Verify(keyshare.Root{5}, sig), fault)
	}
}

// TestConcurrent holds that sessions work side by side: what one waits for does not hold up another.
func TestConcurrent(t *testing.T) {
	c := start(t)
	_, private := c.generate(true, "")
	sessions := make([]pkcs11.SessionHandle, 8)
	for i := range sessions {
		sessions[i] = c.open()
	}
	require.NoError(t, c.token.Set(testtoken.Behaviour{Delay: time.Hour}))
	hung := make(chan error)
	go func() {
		_, err := c.sign(c.session, private, keyshare.Root{1})
		hung <- err
	}()
	for counts := (testtoken.Counts{}); counts.Signatures == 0; { // until the token has begun
		var err error
		counts, err = c.token.Counts()
		require.NoError(t, err)
	}
	require.NoError(t, c.token.Set(testtoken.Behaviour{}))
	var group sync.WaitGroup
	for i, s := range sessions {
		group.Go(func() {
			b, err := c.sign(s, private, keyshare.Root{byte(i)})
			if err != nil || len(b) != 192 {
				t.Errorf("caller %d: %d bytes, %v", i, len(b), err)
			}
		})
	}
	group.Wait()
	require.NoError(t, c.token.Close())
	require.Equal(t, code(pkcs11.CKR_DEVICE_REMOVED), <-hung)
}

// TestFinalize holds that C_Finalize ends an application: its sessions, its login and its session objects.
func TestFinalize(t *testing.T) {
	c := start(t)
	c.generate(false, "gone")
	require.NoError(t, c.Finalize())
	_, err := c.GetSlotList(true)
	require.Equal(t, code(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED), err)
	require.NoError(t, c.Initialize())
	_, err = c.GetSessionInfo(c.session)
	require.Equal(t, code(pkcs11.CKR_SESSION_HANDLE_INVALID), err)
	c.session = c.open()
	require.NoError(t, c.Login(c.session, pkcs11.CKU_USER, testtoken.PIN), "it is logged out")
	require.Empty(t, c.find())
}
