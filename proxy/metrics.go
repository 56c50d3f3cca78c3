package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/rewrite"
)

// Metrics are what the proxy counts. Label values come from closed sets and
// from the names of migrations, never from what a client sends.
type Metrics struct {
	sessions      prometheus.Gauge
	sessionsTotal *prometheus.CounterVec
	statements    *prometheus.CounterVec
	parseFailures prometheus.Counter
	syncSeconds   prometheus.Histogram
	fanoutErrors  *prometheus.CounterVec
	fanoutDirty   *prometheus.CounterVec
	bytes         *prometheus.CounterVec
	cancels       prometheus.Counter
	panics        prometheus.Counter

	passed     prometheus.Counter // of statements: what no migration is about
	fromClient prometheus.Counter
	fromServer prometheus.Counter

	cacheHits, cacheMisses prometheus.Counter
}

// NewMetrics registers the proxy's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Name: "pgjanus_sessions", Help: "Open client sessions."}),
		sessionsTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_sessions_total", Help: "Client connections, by how they began: proxied, passthrough (another database, replication), cancel, refused, failed.",
		}, []string{"kind"}),
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_statements_total", Help: "Statements that were planned, by outcome (pass, rewrite, refuse), kind and migration.",
		}, []string{"outcome", "kind", "migration"}),
		parseFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pgjanus_parse_failures_total", Help: "Texts that might concern a migration and did not parse.",
		}),
		syncSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pgjanus_sync_seconds", Help: "Time from sending a statement with its syncs to the last sync's completion.",
			Buckets: prometheus.ExponentialBuckets(100e-6, 2, 16),
		}),
		fanoutErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_fanout_errors_total", Help: "Statements that failed because their sync failed, by migration.",
		}, []string{"migration"}),
		fanoutDirty: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_fanout_dirty_total", Help: "Statements that left keys dirty because their new shape could not be written, by migration.",
		}, []string{"migration"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgjanus_bytes_total", Help: "Bytes read, by side (client, server).",
		}, []string{"side"}),
		cancels: prometheus.NewCounter(prometheus.CounterOpts{Name: "pgjanus_cancels_total", Help: "Cancel requests that were forwarded."}),
		panics:  prometheus.NewCounter(prometheus.CounterOpts{Name: "pgjanus_session_panics_total", Help: "Sessions that a bug of pgjanus has ended."}),
	}
	reg.MustRegister(m.sessions, m.sessionsTotal, m.statements, m.parseFailures, m.syncSeconds, m.fanoutErrors, m.fanoutDirty, m.bytes, m.cancels, m.panics)
	planCache := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pgjanus_plan_cache_total", Help: "Texts that may concern a migration, by whether their plan was known (hit, miss).",
	}, []string{"result"})
	reg.MustRegister(planCache)
	m.cacheHits, m.cacheMisses = planCache.WithLabelValues("hit"), planCache.WithLabelValues("miss")
	m.passed = m.statements.WithLabelValues(rewrite.Pass.String(), "other", "")
	m.fromClient = m.bytes.WithLabelValues("client")
	m.fromServer = m.bytes.WithLabelValues("server")
	return m
}

// planned counts the statements of a plan, and where it came from.
func (m *Metrics) planned(p *rewrite.Plan, source rewrite.Source) {
	if source == rewrite.FromCache {
		m.cacheHits.Inc()
	} else if source == rewrite.Planned {
		m.cacheMisses.Inc()
	}
	if len(p.Statements) == 0 {
		m.passed.Inc()
		return
	}
	for i := range p.Statements {
		s := &p.Statements[i]
		if s.Kind == "unparsed" {
			m.parseFailures.Inc()
		}
		if len(s.Migrations) == 0 {
			m.statements.WithLabelValues(s.Outcome.String(), s.Kind, "").Inc()
		}
		for _, name := range s.Migrations {
			m.statements.WithLabelValues(s.Outcome.String(), s.Kind, name).Inc()
		}
	}
}

func (m *Metrics) synced(d time.Duration) { m.syncSeconds.Observe(d.Seconds()) }

func (m *Metrics) fanoutFailed(migration string) { m.fanoutErrors.WithLabelValues(migration).Inc() }

func (m *Metrics) soiled(migration string) { m.fanoutDirty.WithLabelValues(migration).Inc() }
