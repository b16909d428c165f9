package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chatterbox"
)

// metrics returns what answers Prometheus. Everything is asked of the node at
// that moment: between two questions it costs nothing.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	s.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "chatterbox_http_request_seconds",
		Help:    "How long HTTP requests took, streams included.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	}, []string{"route", "method", "status"})
	registry.MustRegister(s.requests, newCollector(s.node), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatterbox_http_readers", Help: "Requests that read the log or wait for events now.",
	}, func() float64 { return float64(s.readers.Load()) }), prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "chatterbox_http_refused_connections_total",
		Help: "HTTP connections that were closed before they were heard: of strangers that come too often, or beyond what there may be at a time.",
	}, func() float64 { return float64(s.door.Refused()) }), collectors.NewBuildInfoCollector(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func statusText(status int) string { return strconv.Itoa(status) }

// figure is one of the status.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*chatterbox.Status) float64
}

// memberGauge is a figure of what is known of each member.
type memberGauge struct {
	desc  *prometheus.Desc
	value func(*Member) (value float64, known bool)
}

// collector turns the status into metrics.
type collector struct {
	node     *chatterbox.Node
	figures  []figure
	members  []memberGauge
	culprits *prometheus.Desc
}

func newCollector(node *chatterbox.Node) *collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("chatterbox_"+name, help, labels, nil)
	}
	of := func(name, help string, value func(*chatterbox.Status) float64) figure {
		return figure{describe(name, help), prometheus.GaugeValue, value}
	}
	count := func(name, help string, value func(*chatterbox.Status) uint64) figure {
		return figure{describe(name+"_total", help), prometheus.CounterValue, func(s *chatterbox.Status) float64 { return float64(value(s)) }}
	}
	ofMember := func(name, help string, value func(*Member) (float64, bool)) memberGauge {
		return memberGauge{describe(name, help, "member"), value}
	}
	return &collector{node: node, figures: []figure{
		of("ready", "1 if entries can settle now, else 0.", func(s *chatterbox.Status) float64 { return truth(s.Ready == nil) }),
		of("writable", "1 if this member takes entries, else 0.", func(s *chatterbox.Status) float64 { return truth(s.Writable == nil) }),
		of("oldest_position", "The first position that can be read here.", func(s *chatterbox.Status) float64 { return float64(s.Oldest) }),
		of("settled_position", "The last position that has settled here.", func(s *chatterbox.Status) float64 { return float64(s.Settled) }),
		of("stable_position", "Every member holds all entries up to this position.", func(s *chatterbox.Status) float64 { return float64(s.Stable) }),
		of("tentative_entries", "Entries that are held here and have not settled.", func(s *chatterbox.Status) float64 { return float64(s.Tentative) }),
		of("accepted_entries", "Entries that this member has accepted in its life.", func(s *chatterbox.Status) float64 { return float64(s.Accepted.Seq) }),
		of("view", "The number of the view that counts here; 0 before the members have met.", func(s *chatterbox.Status) float64 { return float64(s.View.Number) }),
		of("members", "Members of the view.", func(s *chatterbox.Status) float64 { return float64(len(s.View.Members)) }),
		of("may_fail_members", "Members that may be gone at a time so that the others can go on without them.", func(s *chatterbox.Status) float64 { return float64(mayFail(&s.View)) }),
		of("memory_bytes", "Bytes that entries take in memory.", func(s *chatterbox.Status) float64 { return float64(s.MemoryBytes) }),
		count("refused_connections", "Connections of strangers, and of members whose keys, list or cluster do not fit, that were refused.",
			func(s *chatterbox.Status) uint64 { return s.Refused }),
		count("mended", "Pieces of the folder that were damaged, and were put back.", func(s *chatterbox.Status) uint64 { return s.Mended }),
		of("damaged", "1 if an entry is damaged on disk here and no peer could give it back, else 0.", func(s *chatterbox.Status) float64 { return truth(s.Damage != nil) }),
		of("disk_bytes", "Bytes that the folder has.", func(s *chatterbox.Status) float64 { return float64(s.DiskBytes) }),
	}, members: []memberGauge{
		ofMember("member_heard_seconds", "How long ago the member was heard last; missing if it never was.", func(m *Member) (float64, bool) {
			if m.Heard == nil {
				return 0, false
			}
			return *m.Heard, true
		}),
		ofMember("member_lag_entries", "Entries that are settled here and not known to be settled at the member.",
			func(m *Member) (float64, bool) { return float64(m.Lag), true }),
		ofMember("member_settled_entries", "Entries of the member that have settled here.",
			func(m *Member) (float64, bool) { return float64(m.Entries), true }),
	}, culprits: describe("member_holds_up_seconds", "For how long settling has waited for the member; missing if it does not.", "member")}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe tells Prometheus which metrics there are.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for i := range c.figures {
		to <- c.figures[i].desc
	}
	for i := range c.members {
		to <- c.members[i].desc
	}
	to <- c.culprits
}

// Collect tells Prometheus how they are now.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	status := c.node.Status()
	for i := range c.figures {
		f := &c.figures[i]
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&status))
	}
	words := StatusOf(&status, time.Now())
	for _, who := range words.HeldUpBy {
		to <- prometheus.MustNewConstMetric(c.culprits, prometheus.GaugeValue, who.Since, who.Name)
	}
	for _, m := range words.Members {
		if !m.Counts() {
			continue
		}
		for i := range c.members {
			if value, known := c.members[i].value(&m); known {
				to <- prometheus.MustNewConstMetric(c.members[i].desc, prometheus.GaugeValue, value, m.Name)
			}
		}
	}
}
