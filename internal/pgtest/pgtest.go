// Package pgtest starts a PostgreSQL server for tests: one for a test program, in a folder of its own, that listens on a
// Unix socket in that folder and nowhere else. It imports testing and is for tests only.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// server is the one of this test program.
var server struct {
	once sync.Once
	sync bool // commits reach the disk
	dir  string
	stop func()
	err  error
}

var databases atomic.Int64

// errAbsent is why a test is skipped.
var errAbsent = errors.New("no PostgreSQL: install postgresql, or put initdb and postgres into PATH")

// Run runs the tests of a package, stops the server, if one was started, also when it is interrupted, and returns
// what TestMain exits with.
func Run(m *testing.M) (code int) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-interrupted
		server.once.Do(func() {}) // after a start that is under way
		if server.stop != nil {
			server.stop()
		}
		signal.Reset(s)
		_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) // and now as if nobody had asked to be told
	}()
	code = m.Run()
	if server.stop != nil {
		server.stop()
	}
	return code
}

// Durable has the server sync what it commits to the disk, as one in production does, if it is called before the first
// Database. Tests need not wait for that; measurements must.
func Durable() { server.sync = true }

// Database makes an empty database and returns how to connect to it. Without PostgreSQL on the machine the test is
// skipped; in continuous integration (CI=true) it fails.
func Database(tb testing.TB) (connection string) {
	tb.Helper()
	server.once.Do(func() { server.err = start() })
	switch {
	case errors.Is(server.err, errAbsent) && os.Getenv("CI") != "true":
		tb.Skip(server.err)
	case server.err != nil:
		tb.Fatal(server.err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	admin, err := pgx.Connect(context.Background(), address("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	return address(name)
}

func address(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s", server.dir, database)
}

// start makes a cluster and starts its server. PostgreSQL refuses to run as root, so root hands it to the user postgres.
func start() error {
	bin, err := programs()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pgtest") // short: a socket's path has at most 107 bytes
	if err != nil {
		return err
	}
	server.dir = dir
	attributes := &syscall.SysProcAttr{Setpgid: true} // not interrupted together with the test
	if os.Geteuid() == 0 {
		uid, gid, err := postgresUser()
		if err != nil {
			return err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	run := func(program string, args ...string) error {
		cmd := exec.Command(filepath.Join(bin, program), args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Env = dir, attributes, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, out)
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	options := fmt.Sprintf("-c listen_addresses= -c unix_socket_directories=%s -c fsync=%t -c max_connections=100", dir, server.sync)
	if err := run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", filepath.Join(dir, "log"), "-o", options, "start"); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return errors.Join(err, errors.New(string(log)), os.RemoveAll(dir))
	}
	server.stop = func() {
		_ = run("pg_ctl", "-D", data, "-m", "immediate", "stop")
		_ = os.RemoveAll(dir)
	}
	return nil
}

// programs returns the folder of PostgreSQL's programs: that of initdb in PATH, or the newest of a distribution's.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errAbsent
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

func postgresUser() (uid, gid int, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err = strconv.Atoi(u.Uid)
	if err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
