package live

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/rules"
)

// outcome is the label result of pgjanus_reloads_total.
type outcome string

const (
	accepted  outcome = "ok"
	unchanged outcome = "unchanged"
	rejected  outcome = "rejected"
)

// Metrics are what Live tells Prometheus. A nil *Metrics counts nothing.
type Metrics struct {
	reloads   *prometheus.CounterVec
	epoch     prometheus.Gauge
	phase     *prometheus.GaugeVec
	connected prometheus.Gauge
	problems  prometheus.Gauge
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_reloads_total",
			Help: "Loads of the rules by result: ok, unchanged, rejected.",
		}, []string{"result"}),
		epoch: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pgjanus_epoch",
			Help: "Version of the rules in force; 0 while there are none.",
		}),
		phase: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pgjanus_phase",
			Help: "1 for the phase each migration is in.",
		}, []string{"migration", "phase"}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pgjanus_control_connected",
			Help: "1 while the control connection answers.",
		}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pgjanus_rules_problems",
			Help: "Problems that keep the present rules file or catalog from taking effect.",
		}),
	}
	for _, o := range []outcome{accepted, unchanged, rejected} {
		m.reloads.WithLabelValues(string(o))
	}
	reg.MustRegister(m.reloads, m.epoch, m.phase, m.connected, m.problems)
	return m
}

func (m *Metrics) count(o outcome) {
	if m != nil {
		m.reloads.WithLabelValues(string(o)).Inc()
	}
}

// show makes the gauges say what s says.
func (m *Metrics) show(s State) {
	if m == nil {
		return
	}
	m.epoch.Set(float64(s.Epoch))
	m.problems.Set(float64(len(s.Problems)))
	m.connected.Set(0)
	if s.ControlOK {
		m.connected.Set(1)
	}
}

// phases shows which phase every migration of set is in.
func (m *Metrics) phases(set *rules.Set) {
	if m == nil {
		return
	}
	m.phase.Reset()
	for i := range set.Migrations {
		m.phase.WithLabelValues(set.Migrations[i].Name, set.Migrations[i].Phase.String()).Set(1)
	}
}
