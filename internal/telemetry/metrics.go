package telemetry

import (
	"cmp"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The closed sets. A value that is not in its set is counted as "other", so a
// label can neither leak nor multiply.
var (
	passResults  = []string{"ok", "unchanged", "transient", "rate_limited", "login", "grant", "revoked", "setup", "protocol", "panic", "fenced", "drained"}
	protocols    = []string{"pop3", "imap"}
	statuses     = []string{"imported", "skipped", "refused", "doubtful", "failed"}
	permitKinds  = []string{"sessions", "user", "lane", "logins", "queue"}
	budgetKinds  = []string{"project_minute", "project_day", "memory", "sessions"}
	scopes       = []string{"user", "concurrent", "project", "minute", "day", "history", "source"}
	actorKinds   = []string{"node", "governor", "wheel", "shard", "user", "mailbox", "worker"}
	recoverKinds = []string{"imported", "resumed", "refused", "doubtful", "failed"}
	ruleFaults   = []string{"trap", "out_of_fuel", "bad_verdict", "host_arg", "instantiate", "compile", "config", "switched_off", "not_run_here", "label"}
)

// Metrics counts what the engine does. It may be used by many goroutines at
// once; a nil *Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry

	passes      [2]counters // by protocol, in the order of the set
	otherPasses counters
	passTime    times

	messages     counters
	octets       counters
	transferTime prometheus.Histogram
	delay        prometheus.Histogram

	registered, armed, running, parked, queued prometheus.Gauge

	lag       prometheus.Histogram
	permits   counters
	breakers  prometheus.Gauge
	used      gauges
	limits    gauges
	refusals  counters
	panics    counters
	recovered counters
	pastRules counters

	commitTime prometheus.Histogram
	writes     prometheus.Counter
}

// NewMetrics makes metrics with a registry of their own, so that no library
// can add to what is published.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.engine()
	m.mail()
	m.process()
	return m
}

func (m *Metrics) engine() {
	passes := m.counter("actors_passes_total", "Passes over a mailbox that have ended, by how.", "protocol", "result")
	for i, p := range protocols {
		m.passes[i] = countersOf(passes.MustCurryWith(prometheus.Labels{"protocol": p}), passResults)
	}
	m.otherPasses = countersOf(passes.MustCurryWith(prometheus.Labels{"protocol": other}), passResults)
	m.passTime = m.histograms("actors_pass_duration_seconds", "How long passes took.", spread(0.001, 3600), "protocol", protocols)

	m.registered = m.gauge("actors_registered_mailboxes", "Mailboxes that this node looks after.")
	m.armed = m.gauge("actors_armed_mailboxes", "Mailboxes with a time at which they are due.")
	m.running = m.gauge("actors_running_passes", "Passes under way.")
	m.parked = m.gauge("actors_parked_connections", "Connections waiting for a server to announce mail (IMAP IDLE).")
	m.queued = m.gauge("actors_queued_mailboxes", "Mailboxes that are due and wait for a permit.")
	m.lag = m.histogram("actors_lag_duration_seconds", "From the time a mailbox was due to the start of its pass.", spread(0.001, 1000))
	m.permits = m.counters("actors_permits_refused_total", "Passes that had to wait, by what there was not enough of.", "kind", permitKinds)
	m.breakers = m.gauge("actors_open_breakers", "Mail servers that are left alone for a while.")
	m.refusals = m.counters("actors_refusals_total", "Requests to slow down, by whom they concern; source: by a mail server.", "scope", scopes)
	m.panics = m.counters("actors_panics_total", "Panics that supervision has caught.", "kind", actorKinds)
}

func (m *Metrics) mail() {
	m.messages = m.counters("bridge_messages_total", "Messages that have been dealt with, by what became of them.", "status", statuses)
	m.octets = m.counters("bridge_message_bytes_total", "Octets of these messages, as counted.", "status", statuses)
	m.transferTime = m.histogram("bridge_transfer_duration_seconds", "From the claim of a message to its outcome.", spread(0.001, 1000))
	m.delay = m.histogram("bridge_mail_delay_seconds", "From the announcement of new mail by push to the import of each message of the pass that it brings about. Mailboxes with a backlog do not count.", spread(0.001, 3600))
	m.pastRules = m.counters("bridge_messages_past_rules_total", "Messages that were imported although a rule could not be asked, or not followed, by why the first of these could not.", "class", ruleFaults)
	m.recovered = m.counters("bridge_recovered_claims_total", "Claims that an earlier process left behind, by what became of them.", "outcome", recoverKinds)

	m.used = m.gauges("quota_budget_used", "What of a budget is spent: quota units, octets of memory or sessions.", "kind", budgetKinds)
	m.limits = m.gauges("quota_budget_limit", "The size of a budget in the same unit; +Inf: no limit.", "kind", budgetKinds)
	for _, limit := range m.limits {
		limit.Set(math.Inf(1))
	}

	m.commitTime = m.histogram("store_commit_duration_seconds", "How long a commit took, waiting for company included.", spread(0.0001, 10))
	writes := m.counter("store_writes_total", "Writes that were committed; divided by the commits: how many shared one.")
	m.writes = writes.WithLabelValues()
}

// process adds the Go runtime (memory, GC, scheduler), the process (RSS, file
// descriptors, CPU) and the build.
func (m *Metrics) process() {
	m.registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC, collectors.MetricsMemory, collectors.MetricsScheduler)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	version := "development"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		version = cmp.Or(info.Main.Version, version)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: namespace + "_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(build)
}

// Handler answers GET with all metrics in Prometheus' formats.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second, EnableOpenMetrics: true,
	})
}

// PassEnded counts a pass by how it ended: ok, unchanged, transient,
// rate_limited, login, grant, revoked, setup, protocol, panic, fenced, drained.
func (m *Metrics) PassEnded(result, protocol string, took time.Duration) {
	if m == nil {
		return
	}
	by := m.otherPasses
	for i, p := range protocols {
		if p == protocol {
			by = m.passes[i]
		}
	}
	by.of(result).Inc()
	m.passTime.of(protocol).Observe(took.Seconds())
}

// MessageEnded counts a message by its status. octets are those that were
// read; took is the time of its transfer, 0 if it had none.
func (m *Metrics) MessageEnded(status string, octets int64, took time.Duration) {
	if m == nil {
		return
	}
	m.messages.of(status).Inc()
	m.octets.of(status).Add(float64(max(octets, 0)))
	if took > 0 {
		m.transferTime.Observe(took.Seconds())
	}
}

// MailDelay is the time from the announcement of new mail by push to the import
// of one of its messages.
func (m *Metrics) MailDelay(d time.Duration) {
	if m != nil {
		m.delay.Observe(d.Seconds())
	}
}

// Registered is how many mailboxes the node looks after.
func (m *Metrics) Registered(n int) {
	if m != nil {
		m.registered.Set(float64(n))
	}
}

// Armed is how many mailboxes have a time at which they are due.
func (m *Metrics) Armed(n int) {
	if m != nil {
		m.armed.Set(float64(n))
	}
}

// Running is how many passes are under way.
func (m *Metrics) Running(n int) {
	if m != nil {
		m.running.Set(float64(n))
	}
}

// Parked is how many connections wait for push.
func (m *Metrics) Parked(n int) {
	if m != nil {
		m.parked.Set(float64(n))
	}
}

// Queued is how many mailboxes are due and wait for a permit.
func (m *Metrics) Queued(n int) {
	if m != nil {
		m.queued.Set(float64(n))
	}
}

// Lag is the time from due to started.
func (m *Metrics) Lag(d time.Duration) {
	if m != nil {
		m.lag.Observe(max(d, 0).Seconds())
	}
}

// PermitRefused counts a pass that had to wait for want of: sessions, user,
// lane, logins, or a place in the queue.
func (m *Metrics) PermitRefused(kind string) {
	if m != nil {
		m.permits.of(kind).Inc()
	}
}

// Breaker is how many mail servers are left alone for a while.
func (m *Metrics) Breaker(open int) {
	if m != nil {
		m.breakers.Set(float64(open))
	}
}

// Budget tells how much of a budget is spent: project_minute, project_day,
// memory, sessions. A limit of 0 is none.
func (m *Metrics) Budget(kind string, used, limit int64) {
	if m == nil {
		return
	}
	m.used.of(kind).Set(float64(used))
	l := float64(limit)
	if limit == 0 {
		l = math.Inf(1)
	}
	m.limits.of(kind).Set(l)
}

// Refusals counts a request to slow down by the Scope of its Fault.
func (m *Metrics) Refusals(scope string) {
	if m != nil {
		m.refusals.of(scope).Inc()
	}
}

// ActorPanics counts a panic that supervision has caught: node, governor,
// wheel, shard, user, mailbox, worker.
func (m *Metrics) ActorPanics(kind string) {
	if m != nil {
		m.panics.of(kind).Inc()
	}
}

// Recovered counts a claim that an earlier process left behind: imported,
// resumed, refused, doubtful, failed.
func (m *Metrics) Recovered(outcome string) {
	if m != nil {
		m.recovered.of(outcome).Inc()
	}
}

// PastRule counts a message that was imported although a rule could not be asked,
// or not followed: a class of plugins.Fault, or label.
func (m *Metrics) PastRule(class string) {
	if m != nil {
		m.pastRules.of(class).Inc()
	}
}

// StoreCommit counts a commit of so many writes.
func (m *Metrics) StoreCommit(took time.Duration, writes int) {
	if m == nil {
		return
	}
	m.commitTime.Observe(took.Seconds())
	m.writes.Add(float64(max(writes, 0)))
}
