package usage

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what a Table tells Prometheus. A nil *Metrics counts nothing.
type Metrics struct {
	forecasts *prometheus.CounterVec
	evictions prometheus.Counter
}

// counter counts the executions of a statement.
type counter interface{ Inc() }

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		forecasts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_forecast_total",
			Help: "Executions of statements that touch a migration in phase off, by what dualwrite would do (pass, rewrite, refuse, unknown), kind and migration.",
		}, []string{"outcome", "kind", "migration"}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pgjanus_usage_evicted_total",
			Help: "Statements that made room for others in what /api/statements lists.",
		}),
	}
	reg.MustRegister(m.forecasts, m.evictions)
	return m
}

// forecast returns the counter of a statement, or nil where none is due.
func (m *Metrics) forecast(k key) counter {
	if m == nil || !k.forecast {
		return nil
	}
	return m.forecasts.WithLabelValues(k.outcome, k.kind, k.migration)
}

func (m *Metrics) evict() {
	if m != nil {
		m.evictions.Inc()
	}
}
