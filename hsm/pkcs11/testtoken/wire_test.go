package testtoken

import (
	"bytes"
	"encoding/binary"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAnswer gives the token's process any message: it answers with a code, and what it was not asked for by a
// well-formed request does not happen.
func FuzzAnswer(f *testing.F) {
	d, err := newDevice()
	require.NoError(f, err)
	for name := range functions {
		var w reply
		w.bytes([]byte(name))
		w.numbers(1, 2, 0, 3, 4)
		f.Add(w.b)
	}
	for name := range orders {
		var w reply
		w.bytes([]byte(name))
		w.number(0)
		w.bytes([]byte(`{"Removed":true}`))
		f.Add(w.b)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		require.GreaterOrEqual(t, len(d.answer(bytes.Clone(message))), 8)
		require.Empty(t, d.objects, "without a session nothing is made")
	})
}

func TestRequest(t *testing.T) {
	var w reply
	w.number(7)
	w.bytes([]byte("abc"))
	w.list([]uint64{1, 2})
	r := request{rest: w.b}
	require.EqualValues(t, 7, r.number())
	require.Equal(t, []byte("abc"), r.bytes())
	require.ErrorContains(t, r.end(), "24 bytes after")
	require.EqualValues(t, 2, r.number())
	require.EqualValues(t, 1, r.number())
	require.EqualValues(t, 2, r.number())
	require.NoError(t, r.end())
	require.Zero(t, r.number())
	require.ErrorIs(t, r.end(), errShort)

	for _, bad := range [][]byte{nil, {0}, binary.BigEndian.AppendUint64(nil, 1), bytes.Repeat([]byte{0xff}, 16)} {
		r := request{rest: bad}
		require.Empty(t, r.bytes())
		require.ErrorIs(t, r.end(), errShort)
		r = request{rest: bad}
		r.template()
		require.ErrorIs(t, r.end(), errShort)
	}
}

// TestBadMessages sends what no module sends, and then a good request.
func TestBadMessages(t *testing.T) {
	d, err := newDevice()
	require.NoError(t, err)
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	require.NoError(t, err)
	defer l.Close()
	go d.serve(l)
	for _, bad := range [][]byte{{}, {0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 9, 1}, {0, 0, 0x40, 1}} {
		conn, err := net.Dial("unix", l.Addr().String())
		require.NoError(t, err)
		_, err = conn.Write(bad)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.UnixConn).CloseWrite())
		_, err = readMessage(conn)
		require.Error(t, err, "no answer")
		require.NoError(t, conn.Close())
	}
	conn, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	var w reply
	w.bytes([]byte("C_Initialize"))
	w.number(0)
	require.NoError(t, writeMessage(conn, w.b))
	answer, err := readMessage(conn)
	require.NoError(t, err)
	r := request{rest: answer}
	require.EqualValues(t, ckrOK, r.number())
	require.NotZero(t, r.number())
	require.Error(t, writeMessage(conn, make([]byte, limit+1)))
}
