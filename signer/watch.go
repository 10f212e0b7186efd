package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// The values of the attribute outcome.
const (
	outcomeSigned    = "signed"
	outcomeDenied    = "denied"
	outcomeSlashable = "slashable"
	outcomeFailed    = "failed"
)

// The values of the attribute stage.
var (
	stageProtect = stage("protect")
	stageSign    = stage("sign")
	stageVerify  = stage("verify")
)

func stage(name string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("stage", name)))
}

// watch logs and measures. What it is given is public.
type watch struct {
	log      *slog.Logger
	duties   metric.Int64Counter
	duration metric.Float64Histogram
}

func newWatch(log *slog.Logger, meter metric.Meter) (*watch, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if meter == nil {
		meter = noop.Meter{}
	}
	duties, err := meter.Int64Counter("dvkeys.signer.duties", metric.WithUnit("{duty}"),
		metric.WithDescription("Duties that were asked for, by duty and outcome."))
	if err != nil {
		return nil, fmt.Errorf("signer: guard: the meter: %w", err)
	}
	duration, err := meter.Float64Histogram("dvkeys.signer.duration", metric.WithUnit("s"),
		metric.WithDescription("Time of a call of the protector or the key, or of a verification."))
	if err != nil {
		return nil, fmt.Errorf("signer: guard: the meter: %w", err)
	}
	return &watch{log, duties, duration}, nil
}

func (w *watch) stage(ctx context.Context, s metric.MeasurementOption, start time.Time) {
	w.duration.Record(ctx, time.Since(start).Seconds(), s)
}

func outcome(err error) (string, slog.Level) {
	switch {
	case err == nil:
		return outcomeSigned, slog.LevelDebug
	case errors.Is(err, ErrDenied):
		return outcomeDenied, slog.LevelWarn
	case errors.Is(err, ErrSlashable):
		return outcomeSlashable, slog.LevelWarn
	}
	return outcomeFailed, slog.LevelError
}

// duty reports the outcome of a task.
func (w *watch) duty(ctx context.Context, t *task) {
	name := "missing"
	if t.Duty != nil {
		name = t.Duty.traits().name
	}
	result, level := outcome(t.err)
	w.duties.Add(ctx, 1, metric.WithAttributes(attribute.String("duty", name), attribute.String("outcome", result)))
	if !w.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("duty", name), slog.String("outcome", result),
		slog.String("network", t.Guard.network.Name()), slog.String("validator", t.Guard.validator.String()),
	}
	if t.Guard.public != t.Guard.validator {
		attrs = append(attrs, slog.String("share", t.Guard.public.String()))
	}
	switch d := t.Duty.(type) {
	case Attestation:
		attrs = append(attrs, slog.Uint64("slot", d.Slot), slog.Uint64("source", d.Source.Epoch), slog.Uint64("target", d.Target.Epoch))
	case Block:
		attrs = append(attrs, slog.Uint64("slot", d.Slot))
	}
	if t.err != nil {
		attrs = append(attrs, slog.String("error", t.err.Error()))
	}
	w.log.LogAttrs(ctx, level, "duty", attrs...)
}
