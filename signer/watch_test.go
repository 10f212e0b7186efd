package signer_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/claystack/dvkeys/signer"
)

// meter keeps what its instruments were told.
type meter struct {
	noop.Meter
	mu   sync.Mutex
	seen map[string]int
}

type counter struct {
	noop.Int64Counter
	m *meter
}

type histogram struct {
	noop.Float64Histogram
	m *meter
}

func (m *meter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return counter{m: m}, nil
}

func (m *meter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return histogram{m: m}, nil
}

func (m *meter) note(set attribute.Set, by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := ""
	for _, a := range set.ToSlice() {
		text += fmt.Sprintf("%s=%s ", a.Key, a.Value.AsString())
	}
	m.seen[text] += by
}

func (c counter) Add(_ context.Context, by int64, o ...metric.AddOption) {
	c.m.note(metric.NewAddConfig(o).Attributes(), int(by))
}

func (h histogram) Record(_ context.Context, seconds float64, o ...metric.RecordOption) {
	if seconds > 0 {
		h.m.note(metric.NewRecordConfig(o).Attributes(), 1)
	}
}

func TestGuardMeasures(t *testing.T) {
	m := &meter{seen: map[string]int{}}
	k := testKey(t, 1)
	g := guard(t, k, k.PublicKey(), &signer.GuardOptions{Meter: m, VerifyAfterSign: true})
	other := electra()
	other.Target.Root[0]++
	sign(t, g, electra(), other, signer.VoluntaryExit{}, nil, signer.Randao{}, signer.Randao{Epoch: 1})
	require.Equal(t, map[string]int{
		"duty=attestation outcome=signed ":    1,
		"duty=attestation outcome=slashable ": 1,
		"duty=voluntary exit outcome=denied ": 1,
		"duty=missing outcome=failed ":        1,
		"duty=randao outcome=signed ":         2,
		"stage=protect ":                      1, "stage=sign ": 1, "stage=verify ": 1,
	}, m.seen, "%v", slices.Sorted(maps.Keys(m.seen)))
}
