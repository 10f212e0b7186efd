package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine says where the benchmarks ran, without its name.
type Machine struct {
	CPU    string
	Cores  int
	Go     string
	Kernel string // Linux 6.1.0
}

// ThisMachine describes the machine that this program runs on.
func ThisMachine() Machine {
	m := Machine{CPU: "processor of unknown model", Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: runtime.GOOS + "/" + runtime.GOARCH}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
		m.Kernel = "Linux " + version + ", " + runtime.GOARCH
	}
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		if name := modelName(bufio.NewScanner(file)); name != "" {
			m.CPU = name
		}
	}
	return m
}

// modelName returns the first model name in /proc/cpuinfo.
func modelName(lines *bufio.Scanner) string {
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// String returns one line.
func (m Machine) String() string {
	plural := "s"
	if m.Cores == 1 {
		plural = ""
	}
	return fmt.Sprintf("%s, %d core%s, %s, %s", m.CPU, m.Cores, plural, m.Kernel, m.Go)
}
