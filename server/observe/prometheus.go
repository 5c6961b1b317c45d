package observe

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"podium/server/realtime"
)

// Prometheus serves the figures in Prometheus's text format.
func (ob *Observer) Prometheus() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{ob},
	)
	registry.MustRegister(ob.o.Instruments.collectors()...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector reads the figures when it is asked, so that nothing is counted
// twice and nothing is measured for nobody.
type collector struct{ ob *Observer }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("podium_"+name, help, labels, nil)
}

// The metrics.
var (
	connections  = describe("connections", "Open real-time connections.", "transport")
	machines     = describe("machines", "Machines that serve the contest, this one included, as it knows them.")
	together     = describe("connections_all_machines", "Open real-time connections of all machines, as this one knows them; the others' figures are its own.")
	handshakes   = describe("handshakes_total", "Real-time sessions ever opened.")
	upgrades     = describe("upgrades_total", "Sessions that moved from polling to WebSocket.")
	messages     = describe("messages_total", "Engine.IO messages.", "direction")
	traffic      = describe("bytes_total", "Bytes of real-time connections: frames of WebSockets, bodies of long-polling before compression, event streams.", "transport", "direction")
	queuedBytes  = describe("queued_bytes", "Bytes that wait for clients, of all connections together.")
	pingTimeouts = describe("ping_timeouts_total", "Sessions that did not answer a ping in time.")
	recoveries   = describe("recoveries_total", "Sessions that came back, by outcome.", "outcome")
	replayed     = describe("recovered_events_total", "Events sent to clients that had missed them.")
	dropped      = describe("dropped_events_total", "Events that returning clients did not get, being beyond the limits.")
	logOffset    = describe("log_offset", "Offset of the newest event in the log.")
	logEvents    = describe("log_events", "Events kept in the log.")
	submissions  = describe("submissions", "Submissions in the store.", "status")
	commits      = describe("store_commits_total", "Transactions committed since the start.")
	changes      = describe("store_changes_total", "Changes in those transactions.")
	commitErrors = describe("store_commit_failures_total", "Transactions that failed.")
	fileBytes    = describe("store_file_bytes", "Size of the data file.")
	usedBytes    = describe("store_used_bytes", "Part of the data file that holds data.")
	refusals     = describe("limit_refusals_total", "What limits refused.", "limit", "scope")
	limitHeld    = describe("limit_held", "What counts against a limit now: connections, requests that wait, bytes.", "limit")
	failedLogins = describe("failed_sign_ins_total", "Passwords that let nobody in, by reason: password (it was wrong), wait (it came before the wait for earlier wrong ones was over), busy (too many others were being checked), error (it could not be checked).", "reason")
	httpErrors   = describe("http_errors_total", "HTTP answers that were errors.", "class")
	polls        = describe("polls_waiting", "Long-polling requests that wait for something to happen.")
	trimmed      = describe("log_trimmed_events_total", "Events taken off the log, being older or more than it keeps.")
	backups      = describe("backups", "Backups in their destination.")
	backupLast   = describe("backup_last_success_timestamp_seconds", "When the newest backup since the start was made; 0 before the first.")
	backupErrors = describe("backup_failures_total", "Backups that failed.")
	uploadsBytes = describe("uploads_bytes", "Size of the pictures on this machine.")
	readiness    = describe("ready", "Whether requests should be sent here: what GET /ready says, as 1 or 0.")
	diskFree     = describe("disk_free_bytes", "Free space where the data is.")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	f := c.ob.o.Realtime.Stats()
	gauge(connections, float64(f.WebSocket), "websocket")
	gauge(connections, float64(f.Polling), "polling")
	gauge(connections, float64(f.Streams), "sse")
	all := c.ob.o.Realtime.Machines()
	gauge(machines, float64(len(all)))
	gauge(together, float64(realtime.Sum(all).Active))
	counter(handshakes, float64(f.Total))
	counter(upgrades, float64(f.Upgraded))
	counter(messages, float64(f.Delivered), "out")
	counter(messages, float64(f.Received), "in")
	counter(traffic, float64(f.BytesOut), "websocket", "out")
	counter(traffic, float64(f.BytesIn), "websocket", "in")
	counter(traffic, float64(f.PollBytesOut), "polling", "out")
	counter(traffic, float64(f.PollBytesIn), "polling", "in")
	counter(traffic, float64(f.StreamBytesOut), "sse", "out")
	gauge(queuedBytes, float64(c.ob.o.Realtime.Queued()))
	counter(pingTimeouts, float64(f.PingTimeouts))
	counter(recoveries, float64(f.Recovered), "recovered")
	for reason, n := range c.ob.o.Realtime.RecoveryRefusals() {
		counter(recoveries, float64(n), reason)
	}
	gauge(polls, float64(f.Parked))
	counter(trimmed, float64(f.Trimmed))
	counter(replayed, float64(f.Replayed))
	counter(dropped, float64(f.Dropped))
	gauge(logOffset, float64(f.LogLast))
	gauge(logEvents, float64(f.LogLength))
	counter(httpErrors, float64(c.ob.failed[0].Load()), "4xx")
	counter(httpErrors, float64(c.ob.failed[1].Load()), "5xx")
	failed := c.ob.o.Admin.FailedSignIns()
	counter(failedLogins, float64(failed.Password), "password")
	counter(failedLogins, float64(failed.Wait), "wait")
	counter(failedLogins, float64(failed.Busy), "busy")
	counter(failedLogins, float64(failed.Error), "error")
	free, _ := diskSpace(c.ob.o.DataDir)
	gauge(diskFree, float64(free))
	for _, r := range c.ob.o.Refusals() {
		counter(refusals, float64(r.Address), r.Limit, "address")
		counter(refusals, float64(r.Total), r.Limit, "total")
		gauge(limitHeld, float64(r.Held), r.Limit)
	}
	saved := c.ob.o.Backups.Stats()
	gauge(backups, float64(saved.Count))
	last := 0.0
	if !saved.Last.IsZero() {
		last = float64(saved.Last.UnixMilli()) / 1000
	}
	gauge(backupLast, last)
	counter(backupErrors, float64(saved.Failures))
	gauge(uploadsBytes, float64(c.ob.uploadsBytes()))
	can := 1.0
	if c.ob.unready().there() {
		can = 0
	}
	gauge(readiness, can)
	c.collectStore(gauge, counter)
}

// collectStore adds the store's figures, where it can be read.
func (c collector) collectStore(gauge, counter func(*prometheus.Desc, float64, ...string)) {
	if counts, err := c.ob.o.Contest.Counts(); err == nil {
		byStatus := map[string]int{"approved": 0, "waiting": 0, "hidden": 0}
		for _, statuses := range counts {
			for status, n := range statuses {
				byStatus[string(status)] += n
			}
		}
		for status, n := range byStatus {
			gauge(submissions, float64(n), status)
		}
	}
	stats, err := c.ob.o.Contest.Stats()
	if err != nil {
		return
	}
	counter(commits, float64(stats.Commits))
	counter(changes, float64(stats.Changes))
	counter(commitErrors, float64(stats.Failures))
	gauge(fileBytes, float64(stats.Bytes))
	gauge(usedBytes, float64(stats.UsedBytes))
}
