package testtoken

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/claystack/dvkeys/internal/secret"
)

// childVariable, in a process's environment, makes it a token's.
const childVariable = "DVKEYS_TESTTOKEN"

// patience is how long an order may take, the first one with the start of the process.
const patience = 30 * time.Second

// childSocket is the token's listening socket in its process: the first file after the standard ones.
const childSocket = 3

// ErrNoCompiler is returned by Start where there is no C compiler: a test is skipped then.
var ErrNoCompiler = errors.New("testtoken: no C compiler: install gcc")

//go:embed module/module.c
var moduleSource []byte

// Served reports whether this process was started as a token's process; then it has served, and is to end. TestMain
// calls it first:
//
//	func TestMain(m *testing.M) {
//		if testtoken.Served() {
//			return
//		}
//		m.Run()
//	}
func Served() bool {
	if os.Getenv(childVariable) == "" {
		return false
	}
	l, err := net.FileListener(os.NewFile(childSocket, "socket"))
	if err != nil {
		return true
	}
	d, err := newDevice()
	if err != nil {
		return true
	}
	go d.serve(l)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it or ends
	return true
}

// serve answers each connection's request, until the listener is closed.
func (d *device) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			message, err := readMessage(conn)
			defer secret.Wipe(message) // it may hold a PIN or a secret
			if err == nil {
				_ = writeMessage(conn, d.answer(message)) // a caller that went away needs no answer
			}
		}()
	}
}

// Token is a token that Start started. It is safe for concurrent use.
type Token struct {
	dir     string
	process *exec.Cmd
	stdin   io.Closer
	stop    func() error
}

// Start compiles the module and starts the token's process. It needs gcc (or what CC names) and the go command, which
// finds the PKCS#11 headers in the folder of the module github.com/miekg/pkcs11; without a compiler it fails with
// ErrNoCompiler. The program's main function, or TestMain, must call Served.
func Start() (*Token, error) {
	if os.Getenv(childVariable) != "" {
		return nil, errors.New("testtoken: a token's process starts no token: call Served first in TestMain")
	}
	dir, err := os.MkdirTemp("", "token")
	if err != nil {
		return nil, fmt.Errorf("testtoken: %w", err)
	}
	t := &Token{dir: dir}
	if err := errors.Join(t.compile(), t.run()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	t.stop = sync.OnceValue(func() error {
		return errors.Join(t.stdin.Close(), t.process.Wait(), os.RemoveAll(dir))
	})
	if _, err := t.Counts(); err != nil {
		_ = t.process.Process.Kill()
		return nil, errors.Join(fmt.Errorf("testtoken: the token's process does not answer, does TestMain call Served? %w", err), t.Close())
	}
	return t, nil
}

// Module is the path of the module to load.
func (t *Token) Module() string { return filepath.Join(t.dir, "testtoken.so") }

func (t *Token) socket() string { return filepath.Join(t.dir, "socket") }

// headers returns the folder of the PKCS#11 headers.
var headers = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/miekg/pkcs11").Output()
	if err != nil {
		return "", fmt.Errorf("testtoken: go list, for the PKCS#11 headers: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
})

func (t *Token) compile() error {
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	command := strings.Fields(compiler)
	if _, err := exec.LookPath(command[0]); err != nil {
		return ErrNoCompiler
	}
	include, err := headers()
	if err != nil {
		return err
	}
	source := filepath.Join(t.dir, "module.c")
	if err := os.WriteFile(source, moduleSource, 0o600); err != nil {
		return fmt.Errorf("testtoken: %w", err)
	}
	arguments := append(command[1:], "-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror",
		"-isystem", include, fmt.Sprintf("-DSOCKET=%q", t.socket()), source, "-o", t.Module())
	if out, err := exec.Command(command[0], arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("testtoken: %s: %w\n%s", compiler, err, out)
	}
	return nil
}

// run starts this program again as the token's process, with the listening socket, so that it can be called at once.
func (t *Token) run() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("testtoken: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.socket(), Net: "unix"})
	if err != nil {
		return fmt.Errorf("testtoken: %w", err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	file, err := l.File()
	if err != nil {
		return fmt.Errorf("testtoken: %w", err)
	}
	defer file.Close()
	t.process = exec.Command(program)
	t.process.Env = append(os.Environ(), childVariable+"=1", "GORACE=atexit_sleep_ms=0")
	t.process.Stderr = os.Stderr
	t.process.ExtraFiles = []*os.File{file}
	if t.stdin, err = t.process.StdinPipe(); err == nil {
		err = t.process.Start()
	}
	if err != nil {
		return fmt.Errorf("testtoken: %w", err)
	}
	return nil
}

// Close ends the process, and with it the keys, and removes the module. To a program that has loaded it, the token is
// then a removed device.
func (t *Token) Close() error { return t.stop() }

// Set replaces the token's behaviour.
func (t *Token) Set(b Behaviour) error {
	text, err := json.Marshal(b)
	if err == nil {
		_, err = t.order("set", text)
	}
	return err
}

// Counts returns what happened at the token.
func (t *Token) Counts() (c Counts, err error) {
	answer, err := t.order("counts", nil)
	if err == nil {
		err = json.Unmarshal(answer.bytes(), &c)
	}
	return c, err
}

// DropSessions ends the sessions of all applications, as a token does that was reset: they find their handles invalid.
func (t *Token) DropSessions() error {
	_, err := t.order("drop", nil)
	return err
}

// LogOut ends the logins of all applications; their sessions stay.
func (t *Token) LogOut() error {
	_, err := t.order("logout", nil)
	return err
}

// order sends a request of our own and returns what follows the code.
func (t *Token) order(name string, argument []byte) (*request, error) {
	conn, err := net.Dial("unix", t.socket())
	if err != nil {
		return nil, fmt.Errorf("testtoken: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var w reply
	w.bytes([]byte(name))
	w.number(0)
	if argument != nil {
		w.bytes(argument)
	}
	if err := writeMessage(conn, w.b); err != nil {
		return nil, err
	}
	message, err := readMessage(conn)
	if err != nil {
		return nil, fmt.Errorf("testtoken: %s: %w", name, err)
	}
	answer := &request{rest: message}
	if code := answer.number(); code != ckrOK || answer.err != nil {
		return nil, fmt.Errorf("testtoken: %s: answer %#x", name, code)
	}
	return answer, nil
}
